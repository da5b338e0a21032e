static int calls;

__attribute__((noinline)) static int helper(int x)
{
    calls += 1;
    return x * 3 + calls;
}

int use_a(int x)
{
    return helper(x);
}
