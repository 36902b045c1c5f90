/* Plain driver of a fuzz target: replays files, or runs seeded mutants.
 *
 *     target FILE...                              replay
 *     target --n N [--seed S] [--kind sane|any] [--seeds FOLDER] [--keep FOLDER]
 *
 * Mutants run in a child process. When it dies or hangs, the parent makes the mutant again from its
 * number, keeps it as a file and starts a new child behind it, so one run lists all findings.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#define MAX_SEEDS    1024
#define MAX_FINDINGS 20
#define HANG_S       30

struct options {
    uint64_t n, seed;
    enum fuzz_kind kind;
    const char *seeds, *keep;
};

/* What parent and child both see. */
struct shared {
    _Atomic uint64_t number; /* mutant that runs, or the first that does not run any more */
    uint64_t counts[FUZZ_COUNT_COUNT];
};

static struct {
    uint8_t *bytes[MAX_SEEDS];
    size_t n_bytes[MAX_SEEDS];
    uint32_t n;
} seeds;

static void stop(const char *what, const char *name)
{
    fprintf(stderr, "%s: %s\n", name, what);
    exit(2);
}

/* ---- seeds and mutants ---- */

static size_t read_file(const char *path, uint8_t *bytes_out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        stop("cannot be opened", path);
    size_t n = fread(bytes_out, 1, FUZZ_MAX_BYTES, file);
    fclose(file);
    return n;
}

static void add_seed(const uint8_t *bytes, size_t n)
{
    if (seeds.n == MAX_SEEDS || n == 0)
        return;
    seeds.bytes[seeds.n] = malloc(n);
    if (seeds.bytes[seeds.n] == NULL)
        stop("out of memory", "seeds");
    memcpy(seeds.bytes[seeds.n], bytes, n);
    seeds.n_bytes[seeds.n++] = n;
}

static int is_photograph(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end != NULL && strcmp(end, ".jpg") == 0;
}

static void read_seeds(const char *folder)
{
    static uint8_t bytes[FUZZ_MAX_BYTES];
    struct dirent **entries;
    char path[4096];
    int n = scandir(folder, &entries, is_photograph, alphasort);

    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        add_seed(bytes, read_file(path, bytes));
        free(entries[i]);
    }
    if (n <= 0)
        stop("no seeds (make vectors)", folder);
    free(entries);
}

static void make_seeds(void)
{
    static uint8_t bytes[FUZZ_MAX_BYTES];
    for (uint32_t i = 0; i < MAX_SEEDS; i++)
        add_seed(bytes, fuzz_target.make_seed(i, bytes));
}

static size_t make_mutant(const struct options *options, uint64_t number, uint8_t *bytes_out)
{
    struct fuzz_random random = {options->seed * 0x2545F4914F6CDD1Du + number};
    uint32_t seed = (uint32_t)(number % seeds.n);

    memcpy(bytes_out, seeds.bytes[seed], seeds.n_bytes[seed]);
    return fuzz_mutate(options->kind, &random, bytes_out, seeds.n_bytes[seed]);
}

/* Run one input from a block of exactly its size. */
static void run_one(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n);
    if (copy == NULL && n > 0)
        stop("out of memory", "input");
    if (n > 0)
        memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

/* ---- parent and child ---- */

static int run_child(const struct options *options, struct shared *shared)
{
    static uint8_t bytes[FUZZ_MAX_BYTES];
    for (uint64_t i = shared->number; i < options->n; i++) {
        atomic_store(&shared->number, i);
        run_one(bytes, make_mutant(options, i, bytes));
        memcpy(shared->counts, fuzz_counts, sizeof(fuzz_counts));
    }
    atomic_store(&shared->number, options->n);
    return 0;
}

/* Wait for the child to end; kill it when it stays with one mutant for too long. */
static int wait_for(pid_t child, struct shared *shared)
{
    uint64_t number = atomic_load(&shared->number);
    time_t since = time(NULL);
    int status;

    for (;;) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return status;
        uint64_t now = atomic_load(&shared->number);
        if (now != number) {
            number = now;
            since = time(NULL);
        } else if (time(NULL) - since > HANG_S) {
            fprintf(stderr, "finding: hang\n");
            kill(child, SIGKILL);
        }
        usleep(20000);
    }
}

static void keep_finding(const struct options *options, uint64_t number)
{
    static uint8_t bytes[FUZZ_MAX_BYTES];
    char path[4096];
    size_t n = make_mutant(options, number, bytes);

    mkdir(options->keep, 0755);
    snprintf(path, sizeof(path), "%s/%s-%d-%llu-%llu", options->keep, fuzz_target.name,
             (int)options->kind, (unsigned long long)options->seed, (unsigned long long)number);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, n, file) != n)
        stop(strerror(errno), path);
    fclose(file);
    fprintf(stderr, "kept as %s\n", path);
}

static int run_mutants(const struct options *options)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned n_findings = 0;
    time_t begin = time(NULL);

    if (shared == MAP_FAILED)
        stop(strerror(errno), "shared memory");
    while (atomic_load(&shared->number) < options->n && n_findings < MAX_FINDINGS) {
        memcpy(fuzz_counts, shared->counts, sizeof(fuzz_counts));
        pid_t child = fork();
        if (child == 0)
            _exit(run_child(options, shared));
        if (child < 0)
            stop(strerror(errno), "fork");
        if (wait_for(child, shared) != 0) {
            n_findings++;
            keep_finding(options, atomic_load(&shared->number));
            atomic_fetch_add(&shared->number, 1);
        }
    }
    printf("%s: %llu mutants (%s, seed %llu) of %u seeds: %llu accepted, %llu decoded, "
           "%u findings, %lld s\n",
           fuzz_target.name, (unsigned long long)atomic_load(&shared->number),
           options->kind == FUZZ_SANE ? "sane" : "any", (unsigned long long)options->seed, seeds.n,
           (unsigned long long)shared->counts[FUZZ_ACCEPTED],
           (unsigned long long)shared->counts[FUZZ_DECODED], n_findings,
           (long long)(time(NULL) - begin));
    return n_findings == 0 ? 0 : 1;
}

/* With FUZZ_VERBOSE=1 each file is named before it runs, so the last one is the one that aborts. */
static int replay(char **paths)
{
    static uint8_t bytes[FUZZ_MAX_BYTES];
    unsigned n_files = 0;

    for (; *paths != NULL; paths++, n_files++) {
        size_t n = read_file(*paths, bytes);
        if (getenv("FUZZ_VERBOSE") != NULL)
            fprintf(stderr, "%s\n", *paths);
        run_one(bytes, n);
    }
    printf("%s: %u files replayed: %llu accepted, %llu decoded, 0 findings\n", fuzz_target.name,
           n_files, (unsigned long long)fuzz_counts[FUZZ_ACCEPTED],
           (unsigned long long)fuzz_counts[FUZZ_DECODED]);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"n", required_argument, NULL, 'n'},    {"seed", required_argument, NULL, 's'},
        {"kind", required_argument, NULL, 'k'}, {"seeds", required_argument, NULL, 'd'},
        {"keep", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0},
    };
    struct options options = {.n = 0,
                              .seed = 1,
                              .kind = FUZZ_ANY,
                              .seeds = "build/vectors/valid",
                              .keep = "build/fuzz-findings"};
    int letter;

    while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (letter == 'n')
            options.n = strtoull(optarg, NULL, 10);
        else if (letter == 's')
            options.seed = strtoull(optarg, NULL, 10);
        else if (letter == 'k')
            options.kind = strcmp(optarg, "sane") == 0 ? FUZZ_SANE : FUZZ_ANY;
        else if (letter == 'd')
            options.seeds = optarg;
        else if (letter == 'o')
            options.keep = optarg;
        else
            return 2;
    }
    if (optind < argc)
        return replay(argv + optind);
    if (fuzz_target.takes_jpeg)
        read_seeds(options.seeds);
    else {
        options.kind = FUZZ_BYTES;
        make_seeds();
    }
    return run_mutants(&options);
}
