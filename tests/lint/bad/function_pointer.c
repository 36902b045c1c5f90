/* Flagged: function pointer */
static int dlop_apply(int (*step)(int), int x)
{
    return step(x);
}
