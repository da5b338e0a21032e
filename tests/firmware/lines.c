/* Lines that a test knows, whatever comes before them. */
extern volatile int sink;
volatile int sink;

#line 100 "generated/known.c"
void line_100(void) { sink = 1; }
#line 2000
void line_2000(void) { sink = 2; }
#line 70000 "other.c"
void line_70000(void) { sink = 3; }
