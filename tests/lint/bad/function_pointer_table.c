/* Flagged: function pointer */
static int dlop_one(int x)
{
    return x + 1;
}
static int (*const steps[2])(int) = {dlop_one, dlop_one};
