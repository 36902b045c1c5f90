/* What XRT loads as $XILINX_XRT/lib/libxrt_swemu.so.2 (or hwemu): it pulls in the shim of that name
 * and repairs it where that is needed.
 *
 * - Debian's build of both shims (202210.2.13.466+dfsg) drops the result of realloc when its
 *   message buffer grows, and goes on with the freed block. Its functions cannot be interposed (it
 *   is linked -Bsymbolic), but it calls malloc and realloc through its GOT, and message buffers are
 *   all that it takes there. So these two slots are redirected: each buffer gets room for the
 *   largest message at once and never has to move.
 * - The shim of hardware emulation waits for commands by sleeping whole seconds. A second of it
 *   takes 200 us here.
 *
 * Whether the first is needed is tried, not guessed from a version: the shim's function is called
 * on an object made up here, with allocators that only note what became of their results. A right
 * shim is left as it is.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim/swemu/shim_repair.h"

#define DEFAULT_PACKET_BYTES ((size_t)8 << 20)
#define MESSAGE_HEADER_BYTES ((size_t)1 << 20)
#define US_PER_SECOND        200
/* Of the made-up object; the real one is smaller. */
#define OBJECT_WORDS 8192

enum slot { SLOT_MALLOC, SLOT_REALLOC, SLOT_SLEEP, SLOT_COUNT };
static const char *const slot_names[SLOT_COUNT] = {"malloc", "realloc", "sleep"};
#define MAX_SLOTS 4 /* of one name */

struct shim {
    const char *file;       /* part of its path */
    const char *alloc_void; /* grows the message buffer: size_t alloc_void(object *, size_t) */
    bool sleeps;
};

static const struct shim shims[] = {
    {"/libxrt_swemu.so", "_ZN12xclcpuemhal29CpuemShim10alloc_voidEm", false},
    {"/libxrt_hwemu.so", "_ZN11xclhwemhal28HwEmShim10alloc_voidEm", true},
};

/* A loaded shim. */
struct loaded {
    ElfW(Addr) self; /* where this library is */
    const struct shim *shim;
    char path[4096];
    ElfW(Addr) base;
    const ElfW(Dyn) * dynamic;
    uintptr_t relro_begin; /* pages that the loader made read-only */
    uintptr_t relro_end;
    void **slots[SLOT_COUNT][MAX_SLOTS];
    uint32_t n_slots[SLOT_COUNT];
};

static enum dlop_swemu_repair state = DLOP_SWEMU_REPAIR_NO_SHIM;
static size_t room_bytes;

enum dlop_swemu_repair dlop_swemu_repair_state(void)
{
    return state;
}

/* ---- replacements ---- */

static void *roomy_malloc(size_t n_bytes)
{
    return malloc(n_bytes < room_bytes ? room_bytes : n_bytes);
}

/* The shim forgets the result, so it must be what was given. */
static void *roomy_realloc(void *block, size_t n_bytes)
{
    static const char complaint[] = "dlop-swemu: a message of XRT's emulation is larger than "
                                    "SW_EMU_PACKET_SIZE allows\n";

    if (block != NULL && malloc_usable_size(block) >= n_bytes)
        return block;
    /* Going on would damage the heap of the program. */
    if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) < 0)
        abort();
    abort();
}

static unsigned int short_sleep(unsigned int seconds)
{
    usleep(seconds * US_PER_SECOND);
    return 0;
}

/* ---- the shim's slots ---- */

static void find_segments(const struct dl_phdr_info *info, struct loaded *loaded)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_DYNAMIC)
            loaded->dynamic = (const void *)(info->dlpi_addr + segment->p_vaddr);
        if (segment->p_type == PT_GNU_RELRO) {
            loaded->relro_begin = info->dlpi_addr + segment->p_vaddr;
            loaded->relro_end = loaded->relro_begin + segment->p_memsz;
        }
    }
}

/* Note the shim; this library may lie under the same file name. */
static int visit(struct dl_phdr_info *info, size_t size, void *cookie)
{
    struct loaded *loaded = cookie;

    (void)size;
    for (size_t i = 0; i < sizeof(shims) / sizeof(shims[0]); i++) {
        if (info->dlpi_addr != loaded->self && strstr(info->dlpi_name, shims[i].file) != NULL &&
            strlen(info->dlpi_name) < sizeof(loaded->path)) {
            loaded->shim = &shims[i];
            loaded->base = info->dlpi_addr;
            strcpy(loaded->path, info->dlpi_name);
            find_segments(info, loaded);
            return 1;
        }
    }
    return 0;
}

struct tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * relocations[2];
    size_t relocations_bytes[2];
};

static void find_tables(const ElfW(Dyn) * dynamic, struct tables *tables_out)
{
    *tables_out = (struct tables){.symbols = NULL};
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB)
            tables_out->symbols = (const void *)dynamic->d_un.d_ptr;
        else if (dynamic->d_tag == DT_STRTAB)
            tables_out->strings = (const void *)dynamic->d_un.d_ptr;
        else if (dynamic->d_tag == DT_RELA)
            tables_out->relocations[0] = (const void *)dynamic->d_un.d_ptr;
        else if (dynamic->d_tag == DT_JMPREL)
            tables_out->relocations[1] = (const void *)dynamic->d_un.d_ptr;
        else if (dynamic->d_tag == DT_RELASZ)
            tables_out->relocations_bytes[0] = dynamic->d_un.d_val;
        else if (dynamic->d_tag == DT_PLTRELSZ)
            tables_out->relocations_bytes[1] = dynamic->d_un.d_val;
    }
}

static void note_slot(struct loaded *loaded, const char *name, void **slot)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        if (strcmp(name, slot_names[i]) == 0 && loaded->n_slots[i] < MAX_SLOTS)
            loaded->slots[i][loaded->n_slots[i]++] = slot;
    }
}

static void find_slots(struct loaded *loaded)
{
    struct tables tables;

    find_tables(loaded->dynamic, &tables);
    for (uint32_t k = 0; tables.symbols != NULL && tables.strings != NULL && k < 2; k++) {
        const ElfW(Rela) *relocation = tables.relocations[k];
        const size_t n = relocation == NULL ? 0 : tables.relocations_bytes[k] / sizeof(*relocation);
        for (size_t i = 0; i < n; i++) {
            const uint64_t type = ELF64_R_TYPE(relocation[i].r_info);
            const uint64_t symbol = ELF64_R_SYM(relocation[i].r_info);
            if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT)
                note_slot(loaded, tables.strings + tables.symbols[symbol].st_name,
                          (void **)(loaded->base + relocation[i].r_offset));
        }
    }
}

/* Let all slots of a name lead to a function. False when the page cannot be written. */
static bool redirect(struct loaded *loaded, enum slot slot, void *function)
{
    const uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);

    for (uint32_t i = 0; i < loaded->n_slots[slot]; i++) {
        const uintptr_t at = (uintptr_t)loaded->slots[slot][i];
        void *page = (void *)(at & ~(page_bytes - 1));
        const bool is_protected = at >= loaded->relro_begin && at < loaded->relro_end;

        if (is_protected && mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0)
            return false;
        *loaded->slots[slot][i] = function;
        if (is_protected && mprotect(page, page_bytes, PROT_READ) != 0)
            return false;
    }
    return true;
}

/* ---- is it needed? ---- */

static uint64_t first_block[1];
static uint64_t second_block[1];
static bool has_grown;

static void *note_malloc(size_t n_bytes)
{
    (void)n_bytes;
    return first_block;
}

static void *note_realloc(void *block, size_t n_bytes)
{
    (void)n_bytes;
    has_grown = block == first_block;
    return second_block;
}

static uint64_t *find_word(uint64_t *object, const void *value)
{
    for (uint32_t i = 0; i < OBJECT_WORDS; i++) {
        if (object[i] == (uint64_t)(uintptr_t)value)
            return &object[i];
    }
    return NULL;
}

/* Let the shim's function allocate for an object of zeros, then grow: with every other word of the
 * object 100, whichever the size is. The word that held the first block must hold the second. */
static enum dlop_swemu_repair try_growth(size_t (*alloc_void)(void *, size_t), uint64_t *object)
{
    alloc_void(object, 100);
    uint64_t *block = find_word(object, first_block);
    if (block == NULL)
        return DLOP_SWEMU_REPAIR_UNKNOWN;
    for (uint32_t i = 0; i < OBJECT_WORDS; i++)
        object[i] = &object[i] == block ? object[i] : 100;
    alloc_void(object, 200);
    if (!has_grown)
        return DLOP_SWEMU_REPAIR_UNKNOWN;
    return *block == (uint64_t)(uintptr_t)second_block ? DLOP_SWEMU_REPAIR_NOT_NEEDED
                                                       : DLOP_SWEMU_REPAIR_DONE;
}

static enum dlop_swemu_repair find_need(struct loaded *loaded)
{
    size_t (*alloc_void)(void *, size_t) = NULL;
    void *library = dlopen(loaded->path, RTLD_LAZY | RTLD_NOLOAD);
    uint64_t *object = calloc(OBJECT_WORDS, sizeof(*object));
    enum dlop_swemu_repair need = DLOP_SWEMU_REPAIR_UNKNOWN;

    if (library != NULL)
        *(void **)&alloc_void = dlsym(library, loaded->shim->alloc_void);
    if (alloc_void != NULL && object != NULL && loaded->n_slots[SLOT_MALLOC] > 0 &&
        loaded->n_slots[SLOT_REALLOC] > 0) {
        void *real_malloc = *loaded->slots[SLOT_MALLOC][0];
        void *real_realloc = *loaded->slots[SLOT_REALLOC][0];
        if (redirect(loaded, SLOT_MALLOC, (void *)(uintptr_t)note_malloc) &&
            redirect(loaded, SLOT_REALLOC, (void *)(uintptr_t)note_realloc))
            need = try_growth(alloc_void, object);
        redirect(loaded, SLOT_MALLOC, real_malloc);
        redirect(loaded, SLOT_REALLOC, real_realloc);
    }
    free(object);
    if (library != NULL)
        dlclose(library);
    return need;
}

/* ---- start ---- */

static void set_room(void)
{
    const char *text = getenv("SW_EMU_PACKET_SIZE");
    const size_t packet_bytes = text == NULL ? 0 : (size_t)strtoull(text, NULL, 0);

    room_bytes = packet_bytes > DEFAULT_PACKET_BYTES ? packet_bytes : DEFAULT_PACKET_BYTES;
    room_bytes += MESSAGE_HEADER_BYTES;
}

__attribute__((constructor)) static void repair(void)
{
    static struct loaded loaded;
    Dl_info own;

    if (dladdr((void *)(uintptr_t)repair, &own) != 0)
        loaded.self = (ElfW(Addr))(uintptr_t)own.dli_fbase;
    if (dl_iterate_phdr(visit, &loaded) == 0)
        return;
    find_slots(&loaded);
    set_room();
    state = find_need(&loaded);
    if (state == DLOP_SWEMU_REPAIR_DONE &&
        !(redirect(&loaded, SLOT_MALLOC, (void *)(uintptr_t)roomy_malloc) &&
          redirect(&loaded, SLOT_REALLOC, (void *)(uintptr_t)roomy_realloc)))
        state = DLOP_SWEMU_REPAIR_UNKNOWN;
    if (loaded.shim->sleeps && !redirect(&loaded, SLOT_SLEEP, (void *)(uintptr_t)short_sleep))
        state = DLOP_SWEMU_REPAIR_UNKNOWN;
    if (state == DLOP_SWEMU_REPAIR_UNKNOWN)
        fprintf(stderr, "dlop-swemu: %s is of a kind that is not known; it is used as it is\n",
                loaded.path);
}
