static int calls;

__attribute__((noinline)) static int helper(int x)
{
    calls += 2;
    return x * 5 + calls;
}

int use_b(int x)
{
    return helper(x);
}
