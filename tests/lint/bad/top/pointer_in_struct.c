/* Flagged: pointer in a struct */
struct dlop_source {
    const int *samples;
    int n;
};
static int dlop_first(const struct dlop_source *source)
{
    return source->samples[0];
}
