/* A variable with a value and one without: wrong results where either was not loaded. */
static int data = 5;
static int zero;

int next_value(int a)
{
    zero += data;
    return a + zero;
}
