/* Flagged: external call */
#include <stdlib.h>
static void dlop_heap(void)
{
    free(malloc(8));
}
