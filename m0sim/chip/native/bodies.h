/*
 * Flags, and what some operations do: used in operations.h, with its macros. Flags: N is bit 31 of n, Z is set where z
 * is 0, C is c, V is bit 31 of v.
 */
#ifndef M0_BODIES_H
#define M0_BODIES_H

#define NZ(x) if (F) { n = z = (x); }
#define ADD_FLAGS(x, y, sum) if (F) { n = z = (sum); c = (sum) < (x); v = ((x) ^ (sum)) & ((y) ^ (sum)); }
#define SUB_FLAGS(x, y, rest) if (F) { n = z = (rest); c = (x) >= (y); v = ((x) ^ (y)) & ((x) ^ (rest)); }


/* What operations do that are also halves of pairs: see pairs.h. */
#define DO_MOVE_I uint32_t x = IMM; R(a) = x; NZ(x)
#define DO_ADD uint32_t x = R(b), y = R(c), sum = x + y; ADD_FLAGS(x, y, sum) R(a) = sum;
#define DO_ADD_I uint32_t x = R(b), y = IMM, sum = x + y; ADD_FLAGS(x, y, sum) R(a) = sum;
#define DO_AND uint32_t x = R(a) & R(b); R(a) = x; NZ(x)
#define DO_LSL_I uint32_t x = R(b); if (F) { c = x >> (32 - IMM) & 1; } x <<= IMM; R(a) = x; NZ(x)
#define DO_MULTIPLY uint32_t x = R(a) * R(b); R(a) = x; NZ(x)
#define DO_LDR_I LOAD(uint32_t, R(b) + IMM, R(a) = value;)
#define DO_LDRB_I LOAD(uint8_t, R(b) + IMM, R(a) = value;)
#define DO_LDRSB LOAD(int8_t, R(b) + R(c), R(a) = (uint32_t)value;)
#define DO_STR_I STORE(uint32_t, R(b) + IMM, R(a))

/* The same where nobody reads the flags, and cycles beyond one. */
#define DO_ADD_I_QUIET enum { F = 0 }; DO_ADD_I
#define SPENT_ADD_I_QUIET 0
#define DO_ADD_QUIET enum { F = 0 }; DO_ADD
#define SPENT_ADD_QUIET 0
#define DO_AND_QUIET enum { F = 0 }; DO_AND
#define SPENT_AND_QUIET 0
#define DO_LSL_I_QUIET enum { F = 0 }; DO_LSL_I
#define SPENT_LSL_I_QUIET 0
#define DO_MOVE_I_QUIET enum { F = 0 }; DO_MOVE_I
#define SPENT_MOVE_I_QUIET 0
#define DO_MULTIPLY_QUIET enum { F = 0 }; DO_MULTIPLY
#define SPENT_MULTIPLY_QUIET 0
#define SPENT_LDR_I 1
#define SPENT_LDRB_I 1
#define SPENT_LDRSB 1
#define SPENT_STR_I 1

#endif
