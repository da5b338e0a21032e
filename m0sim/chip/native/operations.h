/*
 * What each instruction does that neither branches nor does something rare. Included several times, by the two forms of
 * the interpreter and by lists of names, each with its own macros:
 *
 *   OP(name, spent, body)       `spent`: cycles beyond one for each halfword, or M0_VARIES: those of `op->extra`
 *   FLAGGED(name, body)         sets flags where F is 1; there is a second handler, name_QUIET, where nobody reads them
 *   LOAD(type, address, put)    `put` is done with the `value` of that type
 *   STORE(type, address, value)
 *   SLOW                        leave this instruction to the simple form
 *
 * R(x) is the register in field x of `op`. Flags: N is bit 31 of n, Z is set where z is 0, C is c, V is bit 31 of v.
 * Source: Armv6-M Architecture Reference Manual (Arm DDI 0419), A2.2.1 (AddWithCarry, shifts) and A6.7.
 */
FLAGGED(MOVE, uint32_t x = R(b); R(a) = x; NZ(x))
FLAGGED(MOVE_I, DO_MOVE_I)
FLAGGED(LSL_I, DO_LSL_I)
FLAGGED(LSR_I, uint32_t x = R(b); if (F) { c = x >> (IMM - 1) & 1; } x = (uint32_t)((uint64_t)x >> IMM); R(a) = x; NZ(x))
FLAGGED(ASR_I, uint32_t x = R(b); if (F) { c = x >> (IMM - 1) & 1; } x = (uint32_t)((int64_t)(int32_t)x >> IMM); R(a) = x; NZ(x))
FLAGGED(ADD, DO_ADD)
FLAGGED(SUB, uint32_t x = R(b), y = R(c), rest = x - y; SUB_FLAGS(x, y, rest) R(a) = rest;)
FLAGGED(ADD_I, DO_ADD_I)
FLAGGED(SUB_I, uint32_t x = R(b), y = IMM, rest = x - y; SUB_FLAGS(x, y, rest) R(a) = rest;)
FLAGGED(NEGATE, uint32_t x = 0, y = R(b), rest = x - y; SUB_FLAGS(x, y, rest) R(a) = rest;)
FLAGGED(COMPARE_I, uint32_t x = R(a), y = IMM, rest = x - y; SUB_FLAGS(x, y, rest) (void)rest;)
FLAGGED(COMPARE, uint32_t x = R(a), y = R(b), rest = x - y; SUB_FLAGS(x, y, rest) (void)rest;)
FLAGGED(COMPARE_NEGATIVE, uint32_t x = R(a), y = R(b), sum = x + y; ADD_FLAGS(x, y, sum) (void)sum;)
FLAGGED(TEST, uint32_t x = R(a) & R(b); NZ(x) (void)x;)
FLAGGED(AND, DO_AND)
FLAGGED(EXCLUSIVE_OR, uint32_t x = R(a) ^ R(b); R(a) = x; NZ(x))
FLAGGED(OR, uint32_t x = R(a) | R(b); R(a) = x; NZ(x))
FLAGGED(BIT_CLEAR, uint32_t x = R(a) & ~R(b); R(a) = x; NZ(x))
FLAGGED(MOVE_NOT, uint32_t x = ~R(b); R(a) = x; NZ(x))
FLAGGED(MULTIPLY, DO_MULTIPLY)

OP(MULTIPLY_SLOWLY, M0_VARIES, n = z = R(a) *= R(b);)
OP(ADD_CARRY, 0, uint32_t x = R(a), y = R(b); uint64_t sum = (uint64_t)x + y + c;
   n = z = (uint32_t)sum; c = (uint32_t)(sum >> 32); v = (x ^ n) & (y ^ n); R(a) = n;)
OP(SUB_CARRY, 0, uint32_t x = R(a), y = ~R(b); uint64_t sum = (uint64_t)x + y + c;
   n = z = (uint32_t)sum; c = (uint32_t)(sum >> 32); v = (x ^ n) & (y ^ n); R(a) = n;)
OP(LSL, 0, uint32_t by = R(b) & 255, x = R(a);
   if (by != 0) { c = by < 33 ? (uint32_t)((uint64_t)x << by >> 32) & 1 : 0; x = by < 32 ? x << by : 0; } n = z = R(a) = x;)
OP(LSR, 0, uint32_t by = R(b) & 255, x = R(a);
   if (by != 0) { c = by < 33 ? (uint32_t)((uint64_t)x >> (by - 1)) & 1 : 0; x = by < 32 ? x >> by : 0; } n = z = R(a) = x;)
OP(ASR, 0, uint32_t by = R(b) & 255; int64_t x = (int32_t)R(a); by = by > 32 ? 32 : by;
   if (by != 0) { c = (uint32_t)(x >> (by - 1)) & 1; x >>= by; } n = z = R(a) = (uint32_t)x;)
OP(ROR, 0, uint32_t by = R(b) & 255, x = R(a);
   if (by != 0) { by &= 31; x = x >> by | x << (-by & 31); c = x >> 31; } n = z = R(a) = x;)

OP(MOVE_HIGH, 0, R(a) = R(b);)
OP(ADD_HIGH, 0, R(a) += R(b);)
OP(ADD_CONSTANT, 0, R(a) += IMM;)
OP(CONSTANT, 0, R(a) = IMM;)
OP(SP_PLUS, 0, R(a) = core->timed.r[13] + IMM;)
OP(SIGN_BYTE, 0, R(a) = (uint32_t)(int8_t)R(b);)
OP(SIGN_HALF, 0, R(a) = (uint32_t)(int16_t)R(b);)
OP(ZERO_BYTE, 0, R(a) = (uint8_t)R(b);)
OP(ZERO_HALF, 0, R(a) = (uint16_t)R(b);)
OP(REVERSE, 0, R(a) = __builtin_bswap32(R(b));)
OP(REVERSE_16, 0, uint32_t x = __builtin_bswap32(R(b)); R(a) = x << 16 | x >> 16;)
OP(REVERSE_SIGNED, 0, uint32_t x = R(b); R(a) = (uint32_t)(int16_t)((x & 0xFF) << 8 | (x >> 8 & 0xFF));)
OP(NOTHING, 0, ;)

OP(LITERAL, 1, R(a) = IMM;) /* a literal in memory that neither changes nor waits */
OP(LDR_LITERAL, 1, LOAD(uint32_t, IMM, R(a) = value;))
OP(LDR_I, 1, DO_LDR_I)
OP(LDRH_I, 1, LOAD(uint16_t, R(b) + IMM, R(a) = value;))
OP(LDRB_I, 1, DO_LDRB_I)
OP(LDR, 1, LOAD(uint32_t, R(b) + R(c), R(a) = value;))
OP(LDRH, 1, LOAD(uint16_t, R(b) + R(c), R(a) = value;))
OP(LDRB, 1, LOAD(uint8_t, R(b) + R(c), R(a) = value;))
OP(LDRSH, 1, LOAD(int16_t, R(b) + R(c), R(a) = (uint32_t)value;))
OP(LDRSB, 1, DO_LDRSB)
OP(STR_I, 1, DO_STR_I)
OP(STRH_I, 1, STORE(uint16_t, R(b) + IMM, R(a)))
OP(STRB_I, 1, STORE(uint8_t, R(b) + IMM, R(a)))
OP(STR, 1, STORE(uint32_t, R(b) + R(c), R(a)))
OP(STRH, 1, STORE(uint16_t, R(b) + R(c), R(a)))
OP(STRB, 1, STORE(uint8_t, R(b) + R(c), R(a)))
