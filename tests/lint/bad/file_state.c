/* Flagged: variable at file scope that is not const */
static int dlop_state;
static int dlop_next(void)
{
    return ++dlop_state;
}
