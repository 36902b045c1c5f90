/* Flagged: pointer to pointer */
static int dlop_first(int **rows)
{
    return rows[0][0];
}
