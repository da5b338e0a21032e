/*
 * Operations that often follow each other and get a handler of both: PAIR(first, second), by the names of handlers.
 * Measured with tests/bench_speed.py: a handler less saves a jump and moves no state.
 */
PAIR(LDR_I, LDR_I)
PAIR(LDRB_I, LDRB_I)
PAIR(LDRSB, LDRSB)
PAIR(STR_I, STR_I)
PAIR(MULTIPLY_QUIET, ADD_QUIET)
PAIR(MOVE_I_QUIET, ADD_I_QUIET)
PAIR(ADD_I_QUIET, AND_QUIET)
PAIR(LSL_I_QUIET, ADD_QUIET)
