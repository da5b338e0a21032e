/* One thing in each kind of memory. */
const int table[4] = {1, 2, 3, 4};
int counter = 5;
int zeros[10];

__attribute__((section(".ramfunc"), noinline)) int from_sram(int a)
{
    return a + counter;
}

int touch(int a)
{
    zeros[a & 7] += table[a & 3];
    return from_sram(zeros[a & 7]) / (a | 1);
}

float product(float a, float b)
{
    return a * b;
}
