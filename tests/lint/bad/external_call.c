/* Flagged: external call */
extern int printf(const char *format, ...);
static int dlop_say(void)
{
    return printf("no");
}
