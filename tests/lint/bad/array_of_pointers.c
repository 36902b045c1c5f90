/* Flagged: array of pointers */
static int dlop_pick(int *a, int *b, int i)
{
    int *both[2] = {a, b};
    return *both[i];
}
