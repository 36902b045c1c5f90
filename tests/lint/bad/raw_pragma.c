/* Flagged: raw pragma */
static int dlop_sum(const int *a)
{
    int sum = 0, i;
    for (i = 0; i < 8; i++) {
#pragma HLS PIPELINE II = 1
        sum += a[i];
    }
    return sum;
}
