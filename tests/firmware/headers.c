/* Linked without a script: lld gives the ELF headers a segment of their own, outside of every memory. */
int f(int a) { return a + 1; }
void _start(void) {}
