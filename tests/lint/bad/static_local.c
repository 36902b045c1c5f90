/* Flagged: static local */
static int dlop_count(void)
{
    static int count;
    return ++count;
}
