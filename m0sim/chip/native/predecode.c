/*
 * From code to operations: pages and lines of them, decoding, and what becomes of both when code is overwritten.
 *
 * What is valid, how long it is and what it costs comes from m0_decode, and so from m0sim.chip.isa and timing; here is
 * only what an instruction does. A handler that implies another cost than the tables have is not taken: the simple form
 * then executes that instruction, by the tables.
 *
 * Decoding begins where control comes to, and goes on to the next unconditional branch or the end of the line. So only
 * what can run is code, and stores beside it cost little.
 */
#include "timed.h"

/* -- pages and lines */

static void put(const struct m0_core *core, struct m0_op *op, uint32_t operation, uint32_t handler)
{
    op->handler = m0_handler_of(core, handler);
    m0_detail_of(core, op)->operation = (uint8_t)operation;
}

/* Forget what the operations of a line are, not what they counted. */
static void blank(struct m0_core *core, struct m0_line *line)
{
    struct m0_op *op = &core->timed.ops[(line - core->timed.lines) * M0_LINE_OPS];
    for (uint32_t i = 0; i < M0_LINE_OPS; i++) {
        put(core, &op[i], M0_OP_NONE, M0_HANDLER_DECODE);
        m0_detail_of(core, &op[i])->tail = 0; /* nobody knows what follows: that of before is other code's */
    }
    line->head = m0_handler_of(core, M0_HANDLER_DECODE_HEAD);
    line->is_decoded = 0;
}

static struct m0_op *new_chunk(struct m0_core *core, uint32_t address, uint32_t slot)
{
    struct m0_timed *timed = &core->timed;
    if (timed->chunk_count >= timed->chunk_capacity) {
        m0_stop_timed(core, M0_STOP_GROW, address);
        return NULL;
    }
    uint32_t chunk = timed->chunk_count++;
    struct m0_op *op = &timed->ops[chunk * M0_CHUNK_OPS];
    uint32_t page = address & ~0xFFFu;
    timed->chunks[chunk] = (struct m0_chunk){page, slot};
    timed->chunk_at[address >> 12] = (uint16_t)(chunk + 1);
    for (uint32_t i = 0; i < M0_CHUNK_LINES; i++) {
        struct m0_line *line = &timed->lines[chunk * M0_CHUNK_LINES + i];
        *line = (struct m0_line){.generation = (uint64_t)(uintptr_t)m0_generation(core, page + 64 * i, slot)};
        blank(core, line);
    }
    for (uint32_t i = M0_CHUNK_OPS - M0_LINE_OPS; i < M0_CHUNK_OPS - M0_LINE_OPS + 2; i++) {
        put(core, &op[i], M0_OP_NEXT_PAGE, M0_HANDLER_STEP); /* a last instruction may be half behind the page's end */
    }
    return op;
}

/* The operation at an even address. NULL after a stop. */
struct m0_op *m0_op_at(struct m0_core *core, uint32_t address)
{
    struct m0_timed *timed = &core->timed;
    uint32_t chunk = timed->chunk_at[address >> 12];
    struct m0_op *begin;
    if (chunk != 0) {
        begin = &timed->ops[(chunk - 1) * M0_CHUNK_OPS];
    } else {
        uint32_t slot = m0_page_slot(core, address);
        if (slot == 0) {
            m0_stop_timed(core, address == timed->return_address ? M0_STOP_RETURNED : M0_STOP_JUMP, address);
            return NULL;
        }
        begin = new_chunk(core, address, slot);
        if (begin == NULL) {
            return NULL;
        }
    }
    return &begin[(address & 0xFFF) >> 1];
}

/* -- decoding one instruction */

struct decoded {
    uint32_t operation; /* 0 for a 32-bit instruction */
    int32_t imm;
    uint8_t a, b, c;
    bool is_seen; /* by Python, before it runs */
};

static int32_t sign_extend(uint32_t value, uint32_t bits)
{
    return (int32_t)(value << (32 - bits)) >> (32 - bits);
}

/* DDI 0419, A5.2.1: shift by immediate, add, subtract, move and compare. */
static struct decoded decode_immediate(uint32_t h)
{
    uint32_t shift = h >> 6 & 31, wide = h >> 8 & 7;
    struct decoded d = {.a = h & 7, .b = h >> 3 & 7, .c = h >> 6 & 7};
    switch (h >> 11) {
    case 0: d.operation = shift != 0 ? M0_OP_LSL_I : M0_OP_MOVE; d.imm = (int32_t)shift; return d;
    case 1: d.operation = M0_OP_LSR_I; d.imm = shift != 0 ? (int32_t)shift : 32; return d;
    case 2: d.operation = M0_OP_ASR_I; d.imm = shift != 0 ? (int32_t)shift : 32; return d;
    case 3:
        d.operation = ((uint32_t[]){M0_OP_ADD, M0_OP_SUB, M0_OP_ADD_I, M0_OP_SUB_I})[h >> 9 & 3];
        d.imm = d.c;
        return d;
    default:
        d.operation = ((uint32_t[]){M0_OP_MOVE_I, M0_OP_COMPARE_I, M0_OP_ADD_I, M0_OP_SUB_I})[h >> 11 & 3];
        d.a = d.b = (uint8_t)wide;
        d.imm = h & 255;
        return d;
    }
}

/* A5.2.2 */
static struct decoded decode_data(uint32_t h)
{
    static const uint8_t operations[16] = {
        M0_OP_AND, M0_OP_EXCLUSIVE_OR, M0_OP_LSL, M0_OP_LSR, M0_OP_ASR, M0_OP_ADD_CARRY, M0_OP_SUB_CARRY, M0_OP_ROR,
        M0_OP_TEST, M0_OP_NEGATE, M0_OP_COMPARE, M0_OP_COMPARE_NEGATIVE, M0_OP_OR, M0_OP_MULTIPLY, M0_OP_BIT_CLEAR,
        M0_OP_MOVE_NOT};
    return (struct decoded){.operation = operations[h >> 6 & 15], .a = h & 7, .b = h >> 3 & 7};
}

/* A5.2.3: high registers, and branch and exchange. The program counter reads as 4 beyond the instruction. */
static struct decoded decode_special(uint32_t h, uint32_t address)
{
    struct decoded d = {.a = (h & 7) | (h >> 4 & 8), .b = h >> 3 & 15, .imm = (int32_t)(address + 4)};
    switch (h >> 8 & 3) {
    case 0:
        d.operation = d.a == 15 ? M0_OP_ADD_PC : d.a == 13 ? M0_OP_ADD_SP : d.b == 15 ? M0_OP_ADD_CONSTANT
                                                                                     : M0_OP_ADD_HIGH;
        return d;
    case 1: d.operation = M0_OP_COMPARE; return d;
    case 2:
        d.operation = d.a == 15 ? M0_OP_MOVE_PC : d.a == 13 ? M0_OP_MOVE_SP : d.b == 15 ? M0_OP_CONSTANT
                                                                                       : M0_OP_MOVE_HIGH;
        return d;
    default: d.operation = (h & 0x80) != 0 ? M0_OP_BRANCH_LINK_EXCHANGE : M0_OP_BRANCH_EXCHANGE; return d;
    }
}

/* A5.2.4 */
static struct decoded decode_load_store(uint32_t h, uint32_t address)
{
    static const uint8_t by_register[8] = {M0_OP_STR, M0_OP_STRH, M0_OP_STRB, M0_OP_LDRSB,
                                           M0_OP_LDR, M0_OP_LDRH, M0_OP_LDRB, M0_OP_LDRSH};
    struct decoded d = {.a = h & 7, .b = h >> 3 & 7, .c = h >> 6 & 7};
    int32_t imm = h >> 6 & 31;
    bool is_load = (h & 0x800) != 0;
    switch (h >> 12) {
    case 4:
        d.operation = M0_OP_LDR_LITERAL;
        d.a = h >> 8 & 7;
        d.imm = (int32_t)((address + 4) & ~3u) + 4 * (int32_t)(h & 255);
        return d;
    case 5: d.operation = by_register[h >> 9 & 7]; return d;
    case 6: d.operation = is_load ? M0_OP_LDR_I : M0_OP_STR_I; d.imm = 4 * imm; return d;
    case 7: d.operation = is_load ? M0_OP_LDRB_I : M0_OP_STRB_I; d.imm = imm; return d;
    case 8: d.operation = is_load ? M0_OP_LDRH_I : M0_OP_STRH_I; d.imm = 2 * imm; return d;
    default:
        d.operation = is_load ? M0_OP_LDR_I : M0_OP_STR_I;
        d.a = h >> 8 & 7;
        d.b = 13;
        d.imm = 4 * (int32_t)(h & 255);
        return d;
    }
}

/* A5.2.5: the 0xBxxx space. */
static struct decoded decode_miscellaneous(uint32_t h)
{
    static const uint8_t extends[4] = {M0_OP_SIGN_HALF, M0_OP_SIGN_BYTE, M0_OP_ZERO_HALF, M0_OP_ZERO_BYTE};
    static const uint8_t reverses[4] = {M0_OP_REVERSE, M0_OP_REVERSE_16, M0_OP_INVALID, M0_OP_REVERSE_SIGNED};
    struct decoded d = {.a = h & 7, .b = h >> 3 & 7};
    switch (h >> 8 & 15) {
    case 0:
        d.operation = M0_OP_SP_ADD;
        d.imm = 4 * (int32_t)(h & 0x7F) * ((h & 0x80) != 0 ? -1 : 1);
        return d;
    case 2: d.operation = extends[h >> 6 & 3]; return d;
    case 4: case 5: d.operation = M0_OP_PUSH; d.imm = (int32_t)((h & 255) | (h & 256) << 6); return d;
    case 6: d.operation = M0_OP_CPS; d.imm = h >> 4 & 1; return d;
    case 10: d.operation = reverses[h >> 6 & 3]; return d;
    case 12: d.operation = M0_OP_POP; d.imm = h & 255; return d;
    case 13: d.operation = M0_OP_POP_PC; d.imm = h & 255; return d;
    case 14: d.operation = M0_OP_BREAKPOINT; return d;
    default:
        d.operation = h == 0xBF20 ? M0_OP_WAIT_EVENT : h == 0xBF30 ? M0_OP_WAIT_INTERRUPT
                      : h == 0xBF40 ? M0_OP_SEND_EVENT : M0_OP_NOTHING;
        return d;
    }
}

/* What a valid 16-bit instruction does. Distances are in bytes, from the instruction. */
static struct decoded decode_narrow(uint32_t h, uint32_t address)
{
    struct decoded d = {.a = h >> 8 & 7, .imm = h & 255};
    switch (h >> 12) {
    case 0: case 1: case 2: case 3: return decode_immediate(h);
    case 4: return h < 0x4400 ? decode_data(h) : h < 0x4800 ? decode_special(h, address) : decode_load_store(h, address);
    case 5: case 6: case 7: case 8: case 9: return decode_load_store(h, address);
    case 10:
        d.operation = (h & 0x800) != 0 ? M0_OP_SP_PLUS : M0_OP_CONSTANT;
        d.imm = 4 * d.imm + ((h & 0x800) != 0 ? 0 : (int32_t)((address + 4) & ~3u));
        return d;
    case 11: return decode_miscellaneous(h);
    case 12: d.operation = (h & 0x800) != 0 ? M0_OP_LDM : M0_OP_STM; return d;
    case 13:
        d.operation = (h & 0xF00) == 0xF00 ? (uint32_t)M0_OP_SUPERVISOR : M0_OP_BRANCH_IF + (h >> 8 & 15);
        d.imm = 4 + 2 * sign_extend(h & 255, 8);
        return d;
    default: d.operation = M0_OP_BRANCH; d.imm = 4 + 2 * sign_extend(h & 0x7FF, 11); return d;
    }
}

/* A5.3: BL, MSR, MRS and the barriers. */
static struct decoded decode_wide(uint32_t h, uint32_t second)
{
    if ((second & 0xD000) == 0xD000) {
        uint32_t s = h >> 10 & 1, i1 = ~(second >> 13 ^ s) & 1, i2 = ~(second >> 11 ^ s) & 1;
        uint32_t offset = s << 24 | i1 << 23 | i2 << 22 | (h & 0x3FF) << 12 | (second & 0x7FF) << 1;
        return (struct decoded){.operation = M0_OP_BRANCH_LINK, .imm = 4 + sign_extend(offset, 25)};
    }
    struct decoded d = {.a = second >> 8 & 15, .b = h & 15, .imm = second & 255};
    d.operation = h == 0xF3EF ? M0_OP_MRS : (h & 0xFFF0) == 0xF380 ? M0_OP_MSR : M0_OP_BARRIER;
    return d;
}

static uint32_t halfword_at(const struct m0_core *core, uint32_t address)
{
    return m0_page_slot(core, address) == 0 ? 0 : m0_load16(m0_bytes_at(core, address));
}

static struct decoded decode(const struct m0_core *core, uint32_t address, const struct m0_instruction *instruction)
{
    if (core->data_at[m0_code_index(core, address)] != 0 && core->system.is_on == 0) { /* a chip knows no difference */
        return (struct decoded){.operation = M0_OP_DATA};
    }
    if (instruction->kind == M0_KIND_INVALID) {
        return (struct decoded){.operation = M0_OP_INVALID};
    }
    return instruction->size == 4 ? decode_wide(instruction->first, halfword_at(core, address + 2))
                                  : decode_narrow(instruction->first, address);
}

/* -- decoding a stretch */

static bool is_transfer(uint32_t operation)
{
    return operation >= M0_OP_BRANCH && (operation <= M0_OP_ADD_PC || operation >= M0_OP_CPS);
}

/* Nothing runs behind it without being come to anew. */
static bool is_last(uint32_t operation)
{
    return is_transfer(operation) && !(operation >= M0_OP_BRANCH_IF && operation < M0_OP_BRANCH_IF + 14);
}

static bool has_quiet_form(uint32_t operation)
{
    return operation >= M0_OP_MOVE && operation <= M0_OP_MULTIPLY;
}

/* Sets all four flags and reads none. */
static bool sets_all(uint32_t operation)
{
    return operation >= M0_OP_ADD && operation <= M0_OP_COMPARE_NEGATIVE;
}

/* Neither reads flags nor can be the last that runs of a line. */
static bool is_blind(const struct decoded *d)
{
    return !d->is_seen && (has_quiet_form(d->operation) ||
                           (d->operation >= M0_OP_MOVE_HIGH && d->operation <= M0_OP_LITERAL));
}

/* True where the flags that an operation sets are set again before anybody can look at them. */
static bool is_unread(const struct decoded *next, const struct decoded *end)
{
    for (; next < end && is_blind(next); next++) {
        if (sets_all(next->operation)) {
            return true;
        }
    }
    return false;
}

/* The handler of an operation, by what comes behind it in the line. */
static uint32_t choose(const struct m0_core *core, const struct m0_op *op, const struct decoded *d,
                       const struct decoded *end)
{
    const struct m0_detail *detail = m0_detail_of(core, op);
    bool is_fast_branch = d[1].operation >= M0_OP_BRANCH_IF && d[1].operation < M0_OP_BRANCH_IF + 14 &&
                          op[1].handler != m0_handler_of(core, M0_HANDLER_STEP);
    uint32_t operation = d->operation, handler = operation;
    if (operation >= M0_OP_STEPPED || detail->flags != 0) {
        return M0_HANDLER_STEP;
    }
    if (has_quiet_form(operation) && is_unread(d + 1, end)) {
        handler = operation + 1;
    } else if (operation == M0_OP_MULTIPLY && op->extra != 0) {
        handler = M0_OP_MULTIPLY_SLOWLY;
    } else if (d + 1 < end && is_fast_branch) {
        uint32_t condition = d[1].operation - M0_OP_BRANCH_IF;
        handler = operation == M0_OP_COMPARE ? M0_HANDLER_COMPARE_IF + condition
                  : operation == M0_OP_COMPARE_I ? M0_HANDLER_COMPARE_I_IF + condition
                  : operation == M0_OP_SUB_I ? M0_HANDLER_SUB_I_IF + condition : handler;
    }
    if (d + 1 < end && op[1].handler != m0_handler_of(core, M0_HANDLER_STEP)) {
        handler = m0_pair_of(core, handler, &op[1]);
    }
    int spent = m0_spent_by(handler);
    return spent == M0_VARIES || spent == op->extra ? handler : (uint32_t)M0_HANDLER_STEP;
}

/* Let a direct branch lead to its target's operation, where the fast form may take it. Else the simple form goes there. */
static bool is_near(struct m0_core *core, struct m0_op *op, uint32_t from, uint32_t target)
{
    if (core->timed.chunk_at[target >> 12] == 0 &&
        (m0_page_slot(core, target) == 0 || core->timed.chunk_count >= core->timed.chunk_capacity)) {
        return false;
    }
    const struct m0_op *there = m0_op_at(core, target);
    op->imm = (int32_t)((const char *)there - (const char *)op);
    return m0_function_at(core, target) == m0_function_at(core, from);
}

static void number_call(struct m0_core *core, struct m0_op *op, uint32_t end)
{
    uint32_t number = core->timed.call_count++;
    struct m0_call *call = &core->timed.calls[number];
    *call = (struct m0_call){.site = {.end = end, .call_target = M0_NOTHING, .from_context = M0_NOTHING}};
    call->from_at = 1;
    call->link = end | 1;
    op->a = (uint8_t)number;
    op->b = (uint8_t)(number >> 8);
    op->c = (uint8_t)(number >> 16);
}

/* What only code that does not change may have: the literal itself in place of its load. */
static void fold_literal(const struct m0_core *core, struct decoded *d, uint32_t address)
{
    uint32_t at = (uint32_t)d->imm, slot = m0_page_slot(core, at), here = m0_page_slot(core, address);
    if (slot != 0 && !core->writable[slot] && !core->writable[here] && core->timed.tracks == 0 && core->contends == 0 &&
        (core->timed.flash_model == M0_FLASH_IDEAL || !core->timed.waits_at[slot])) {
        __builtin_memcpy(&d->imm, m0_bytes_at(core, at), 4);
        d->operation = M0_OP_LITERAL;
    }
}

/* Make an operation of a decoded instruction. False where only the simple form can execute it. */
static bool fill(struct m0_core *core, struct m0_op *op, const struct decoded *d,
                 const struct m0_instruction *instruction, uint32_t address)
{
    struct m0_detail *detail = m0_detail_of(core, op);
    uint32_t flow = (uint32_t)core->flow[instruction->kind], behind = address + instruction->size;
    op->imm = d->imm;
    op->a = d->a;
    op->b = d->b;
    op->c = d->c;
    op->extra = (uint8_t)(instruction->cycles > instruction->size / 2 ? instruction->cycles - instruction->size / 2 : 0);
    detail->size = (uint8_t)instruction->size;
    detail->flags = 0;
    if (flow <= M0_FLOW_CONDITIONAL && m0_function_at(core, address) != m0_function_at(core, behind)) {
        detail->flags = M0_DETAIL_CROSSES;
    }
    detail->target = address + (uint32_t)d->imm;
    if (d->is_seen) {
        detail->flags |= M0_DETAIL_WATCHED;
    }
    if (d->operation == M0_OP_BRANCH_LINK || d->operation == M0_OP_BRANCH_LINK_EXCHANGE) {
        number_call(core, op, behind);
    }
    if (flow == M0_FLOW_CONDITIONAL) {
        bool is_plain = instruction->cycles == 1; /* what the fast form takes where it is not taken */
        op->extra = (uint8_t)(instruction->cycles + core->taken_extra);
        return is_near(core, op, address, detail->target) && is_plain;
    }
    if (d->operation >= M0_OP_BRANCH && d->operation <= M0_OP_ADD_PC) {
        op->extra = (uint8_t)instruction->cycles;
    }
    if (d->operation == M0_OP_BRANCH) {
        return is_near(core, op, address, detail->target);
    }
    if (d->operation == M0_OP_BRANCH_LINK) {
        is_near(core, op, address, detail->target);
        return m0_page_slot(core, detail->target) != 0 &&
               core->timed.chunk_at[detail->target >> 12] != 0 && !m0_draws(core);
    }
    return d->operation != M0_OP_BRANCH_LINK_EXCHANGE || !m0_draws(core); /* what opens a frame is drawn by the simple form */
}

/* Its encoding: of one that is overwritten, counts are told by it. */
static void copy_instruction(struct m0_line *line, uint32_t address, const struct m0_instruction *instruction)
{
    line->copy[address >> 1 & 31] = (uint16_t)instruction->first;
    if (instruction->size == 4) {
        line->copy[(address >> 1 & 31) + 1] = (uint16_t)instruction->second;
    }
}

static void mark_code(const struct m0_core *core, uint32_t address, uint8_t is_code)
{
    uint8_t *line = &core->timed.code_lines[m0_page_slot(core, address) * 64 + (address >> 6 & 63)];
    uint8_t mine = (uint8_t)(1u << core->number);
    *line = is_code ? *line | mine : *line & (uint8_t)~mine;
}

static void list_line(struct m0_core *core, struct m0_line *line)
{
    struct m0_timed *timed = &core->timed;
    uint32_t number = (uint32_t)(line - timed->lines);
    line->is_decoded = 1;
    if (line->next == 0) {
        line->next = timed->last_line + 1;
        timed->last_line = number + 1;
    }
}

/* The same as `put`; at the head of a line, the handler is behind the head's. */
static void put_first(const struct m0_core *core, struct m0_op *op, uint32_t operation, uint32_t handler)
{
    if (m0_is_head(op)) {
        m0_line_of(core, op)->head = m0_handler_of(core, handler);
        handler = M0_HANDLER_HEAD;
    }
    put(core, op, operation, handler);
}

/*
 * Cycles from an operation to where it is asked next whether any are left, at most: `behind` is where the line goes on
 * that it is in, NULL where nothing runs on.
 */
static uint32_t tail_of(const struct m0_core *core, const struct m0_op *op, const struct m0_op *behind)
{
    const struct m0_detail *detail = m0_detail_of(core, op);
    bool is_branch = detail->operation >= M0_OP_BRANCH && detail->operation <= M0_OP_ADD_PC;
    uint32_t cycles = op->extra + (is_branch ? 0u : detail->size / 2u);
    bool asks = (m0_is_head(op) ? m0_line_of(core, op)->head : op->handler) == m0_handler_of(core, M0_HANDLER_STEP);
    return asks || behind == NULL ? cycles : cycles + m0_detail_of(core, behind)->tail;
}

/* Decode from an operation that is not yet decoded to the end of its stretch: after m0_has_room_to_decode. */
void m0_predecode(struct m0_core *core, struct m0_op *op)
{
    struct m0_instruction instructions[M0_LINE_OPS];
    struct decoded line[M0_LINE_OPS + 1] = {0};
    struct m0_op *ops[M0_LINE_OPS];
    bool is_fast[M0_LINE_OPS];
    uint32_t address = m0_address_of_op(core, op), at = address, count = 0, end;
    struct m0_line *whole = m0_line_of(core, op);
    if (!whole->is_decoded) {
        list_line(core, whole);
    }
    do { /* to the end of the line, or to what nothing runs on behind */
        instructions[count] = m0_decode(core, at);
        line[count] = decode(core, at, &instructions[count]);
        line[count].is_seen = core->timed.watched[m0_code_index(core, at)] != 0;
        copy_instruction(whole, at, &instructions[count]);
        if (line[count].operation == M0_OP_LDR_LITERAL) {
            fold_literal(core, &line[count], at);
        }
        ops[count] = op + (at - address) / 2;
        mark_code(core, at + instructions[count].size - 2, 1); /* one of 4 bytes may end in the next line */
        at += instructions[count].size;
    } while (!is_last(line[count++].operation) && ((at ^ address) & ~63u) == 0);
    end = at;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t here = address + 2 * (uint32_t)(ops[i] - op);
        if (m0_detail_of(core, ops[i])->operation == M0_OP_NONE) {
            is_fast[i] = fill(core, ops[i], &line[i], &instructions[i], here);
        }
    }
    uint32_t stretch_end = end;
    for (uint32_t i = count; i-- > 0;) {
        struct m0_detail *detail = m0_detail_of(core, ops[i]);
        uint32_t here = address + 2 * (uint32_t)(ops[i] - op), operation = line[i].operation;
        if (is_transfer(operation)) {
            stretch_end = here + instructions[i].size;
        }
        if (detail->operation != M0_OP_NONE) {
            continue; /* a stretch that was decoded before: others lead here already */
        }
        detail->reach = (uint8_t)((stretch_end - here) / 2);
        detail->stamp = 0;
        uint32_t handler = is_fast[i] ? choose(core, ops[i], &line[i], &line[count]) : (uint32_t)M0_HANDLER_STEP;
        put_first(core, ops[i], operation, handler);
        const struct m0_op *behind = i + 1 < count ? ops[i + 1] : NULL;
        if (core->system.is_on != 0 && tail_of(core, ops[i], behind) > M0_SLACK) {
            put_first(core, ops[i], operation, M0_HANDLER_STEP); /* which asks */
        }
        detail->tail = tail_of(core, ops[i], behind);
    }
}

/* -- code that changes */

bool m0_code_is_hit(const struct m0_core *core, uint32_t address, uint32_t size)
{
    const uint8_t *lines = core->timed.code_lines;
    uint32_t last = address + size - 1;
    return (lines[m0_page_slot(core, address) * 64 + (address >> 6 & 63)] |
            lines[m0_page_slot(core, last) * 64 + (last >> 6 & 63)]) != 0;
}

/* Add what a line counted to the retired counts. Returns what runs on behind its end, by halfword. */
static uint32_t write_line(const struct m0_core *core, const struct m0_line *line, struct m0_executed *rows)
{
    uint64_t first = (uint64_t)(line - core->timed.lines) * M0_LINE_OPS;
    const struct m0_op *ops = &core->timed.ops[first];
    const struct m0_detail *details = &core->timed.details[first];
    uint32_t address = m0_address_of_op(core, ops), written = 0;
    int64_t runs_on[M0_LINE_OPS + 2] = {line->count};
    for (uint32_t i = 0; i < M0_LINE_OPS; i++) {
        uint32_t operation = details[i].operation;
        if (operation == M0_OP_NONE) {
            continue;
        }
        bool is_branch_if = operation >= M0_OP_BRANCH_IF && operation < M0_OP_BRANCH_IF + 14;
        struct m0_executed row = {.address = address + 2 * i, .encoding = line->copy[i]};
        row.executions = runs_on[i] + (i == 0 ? 0 : ops[i].in);
        row.taken = is_branch_if ? ops[i].out + details[i].taken : 0;
        row.port_accesses = details[i].port;
        row.stalls = details[i].stalls;
        if (details[i].size == 4) {
            row.encoding |= (uint32_t)line->copy[i + 1] << 16;
        }
        if (!is_last(operation) && (details[i].flags & M0_DETAIL_CROSSES) == 0) { /* else, what is behind counts it */
            runs_on[i + details[i].size / 2] += row.executions - row.taken;
        }
        if ((row.executions | row.stalls | row.port_accesses) != 0) {
            rows[written++] = row;
        }
    }
    return written;
}

/*
 * Let the targets of direct branches have what the fast form did not count there, and so what is behind a call: it
 * returns there, or m0_fill_frames has taken that back.
 */
static void credit(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    for (uint32_t i = timed->last_line; i != 0; i = timed->lines[i - 1].next - 1) {
        uint64_t first = (uint64_t)(i - 1) * M0_LINE_OPS;
        for (uint64_t at = first; at < first + M0_LINE_OPS; at++) {
            int64_t left = timed->ops[at].out - timed->details[at].credited;
            if (left != 0) {
                uint32_t operation = timed->details[at].operation;
                if (operation != M0_OP_BRANCH_LINK_EXCHANGE) {
                    m0_branch_target(&timed->ops[at])->in += left; /* at the head of a line, nobody looks at it */
                }
                if (operation == M0_OP_BRANCH_LINK || operation == M0_OP_BRANCH_LINK_EXCHANGE) {
                    timed->ops[at + timed->details[at].size / 2].in += left;
                }
                timed->details[at].credited += left;
            }
        }
    }
}

static void clear_counts(struct m0_core *core, struct m0_line *line)
{
    uint64_t first = (uint64_t)(line - core->timed.lines) * M0_LINE_OPS;
    for (uint64_t i = first; i < first + M0_LINE_OPS; i++) {
        core->timed.ops[i].in = core->timed.ops[i].out = 0;
        core->timed.details[i].stalls = core->timed.details[i].taken = core->timed.details[i].credited = 0;
        core->timed.details[i].stamp = 0;
        core->timed.details[i].port = 0;
    }
    line->count = 0;
}

static bool has_room(const struct m0_timed *timed)
{
    return timed->retired_count + 8 * M0_LINE_OPS <= timed->retired_capacity;
}

/* True where there is room for what a store over code ends, of both cores. */
bool m0_has_room_to_retire(const struct m0_core *core)
{
    return has_room(&core->timed) && (core->other == NULL || has_room(&core->other->timed));
}

/* Before the first line is retired, the counts of all are made whole: that takes long, and most stores change no code. */
static void retire(struct m0_core *core, struct m0_line *line, bool *is_credited)
{
    struct m0_timed *timed = &core->timed;
    if (!*is_credited) {
        credit(core);
        *is_credited = true;
    }
    timed->retired_count += write_line(core, line, &timed->retired[timed->retired_count]);
    clear_counts(core, line);
    blank(core, line);
}

/* True where a halfword was decoded: as the beginning of an instruction, or as its second half. */
static bool is_code(const struct m0_core *core, uint64_t index)
{
    const struct m0_detail *details = core->timed.details;
    return details[index].operation != M0_OP_NONE ||
           (index % M0_CHUNK_OPS != 0 && details[index - 1].operation != M0_OP_NONE && details[index - 1].size == 4);
}

/* After a store to where code is: what was decoded there is no longer true. All windows of the memory are looked at. */
static void code_changed(struct m0_core *core, uint32_t address, uint32_t size)
{
    struct m0_timed *timed = &core->timed;
    uint32_t slot = m0_page_slot(core, address);
    bool is_credited = false;
    for (uint32_t chunk = 0; chunk < timed->chunk_count; chunk++) {
        uint64_t behind = (uint64_t)(chunk + 1) * M0_CHUNK_OPS - M0_LINE_OPS;
        if ((address & 0xFFF) == 0 && m0_page_slot(core, timed->chunks[chunk].address + 0x1000) == slot &&
            timed->details[behind - 1].operation != M0_OP_NONE && timed->details[behind - 1].size == 4) {
            retire(core, &timed->lines[behind / M0_LINE_OPS - 1], &is_credited); /* the page before ends in this one */
        }
        if (timed->chunks[chunk].slot != slot) {
            continue;
        }
        uint64_t begin = (uint64_t)chunk * M0_CHUNK_OPS + ((address & 0xFFF) >> 1);
        for (uint64_t index = begin; index <= begin + (size - 1) / 2; index++) {
            if (!is_code(core, index)) {
                continue;
            }
            if (timed->details[index].operation == M0_OP_NONE && index % M0_LINE_OPS == 0) {
                retire(core, &timed->lines[index / M0_LINE_OPS - 1], &is_credited); /* its last instruction ends in this line */
            } else {
                retire(core, &timed->lines[index / M0_LINE_OPS], &is_credited);
                if (index % M0_LINE_OPS == 0 && index % M0_CHUNK_OPS != 0 && is_code(core, index) ) {
                    retire(core, &timed->lines[index / M0_LINE_OPS - 1], &is_credited);
                }
            }
        }
    }
}

void m0_code_changed(struct m0_core *core, uint32_t address, uint32_t size)
{
    code_changed(core, address, size);
    if (core->other != NULL) {
        code_changed(core->other, address, size);
    }
}

/* -- one run */

static bool is_as_decoded(const struct m0_core *core, const struct m0_line *line, uint32_t address)
{
    const struct m0_detail *details = &core->timed.details[(line - core->timed.lines) * M0_LINE_OPS];
    uint32_t difference = 0;
    for (uint32_t i = 0; i < M0_LINE_OPS; i++) {
        if (details[i].operation != M0_OP_NONE) {
            difference |= line->copy[i] ^ halfword_at(core, address + 2 * i);
            difference |= details[i].size == 4 ? line->copy[i + 1] ^ halfword_at(core, address + 2 * i + 2) : 0;
        }
    }
    return difference == 0;
}

/* Zero all counts, and decode afresh what the host wrote over. */
void m0_begin_timed(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    for (uint32_t i = timed->last_line; i != 0; i = timed->lines[i - 1].next - 1) {
        struct m0_line *line = &timed->lines[i - 1];
        uint32_t address = m0_address_of_op(core, &timed->ops[(uint64_t)(i - 1) * M0_LINE_OPS]);
        clear_counts(core, line);
        if (line->is_decoded && core->writable[m0_page_slot(core, address)] && !is_as_decoded(core, line, address)) {
            blank(core, line);
        }
    }
    for (uint32_t i = 1; i < timed->call_count; i++) {
        timed->calls[i].site.call_target = timed->calls[i].site.from_context = M0_NOTHING;
        timed->calls[i].from_at = 1;
    }
    timed->calls[0] = (struct m0_call){.from_at = 1};
    m0_note_frame(core, &core->frames[0]);
    timed->contexts_seen = (uint64_t)(uintptr_t)core->contexts;
    timed->last_frame = (uint64_t)(uintptr_t)&core->frames[core->frame_capacity - 3];
    timed->retired_count = 0;
    timed->access.answered = timed->access.used = timed->access.stalls = 0;
    timed->passes_watch = timed->passes_guards = 0;
    timed->fetched = M0_NOTHING;
}

/* Forget all code. What it counted must have been read, and no frame of the fast form be open. */
void m0_forget_timed(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    for (uint32_t i = timed->last_line; i != 0; i = timed->lines[i - 1].next - 1) {
        struct m0_line *line = &timed->lines[i - 1];
        uint32_t address = m0_address_of_op(core, &timed->ops[(uint64_t)(i - 1) * M0_LINE_OPS]);
        clear_counts(core, line);
        mark_code(core, address, 0);
        mark_code(core, address + 64, 0);
    }
    for (uint32_t i = 0; i < timed->chunk_count; i++) {
        timed->chunk_at[timed->chunks[i].address >> 12] = 0;
    }
    timed->chunk_count = timed->last_line = 0;
    timed->call_count = 1;
}

/* Rows that m0_expand_timed can write at most. */
uint64_t m0_count_timed(const struct m0_core *core)
{
    uint64_t lines = 0;
    for (uint32_t i = core->timed.last_line; i != 0; i = core->timed.lines[i - 1].next - 1) {
        lines++;
    }
    return lines * M0_LINE_OPS + core->timed.retired_count;
}

/* Write a row for every instruction that ran, or waited. Returns the number of rows. */
uint64_t m0_expand_timed(struct m0_core *core, struct m0_executed *rows)
{
    const struct m0_timed *timed = &core->timed;
    uint64_t written = 0;
    credit(core);
    m0_sum_functions(core);
    for (; written < timed->retired_count; written++) {
        rows[written] = timed->retired[written];
    }
    for (uint32_t i = timed->last_line; i != 0; i = timed->lines[i - 1].next - 1) {
        written += write_line(core, &timed->lines[i - 1], &rows[written]);
    }
    return written;
}
