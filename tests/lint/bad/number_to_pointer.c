/* Flagged: cast of a number to a pointer */
static int dlop_peek(unsigned long address)
{
    return *(int *)address;
}
