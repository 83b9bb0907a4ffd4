// SPDX-License-Identifier: Apache-2.0
// Opening an image. Input: as in image.h; then everything is listed, read, checked, changed and deleted.
#include "tests/fuzz/image.h"

#include <holdfast/posix.h>
#include <unistd.h>

#include "engine/store.h"

enum { ENTRIES_MAX = 300, DEPTH_MAX = 6, READ_MAX = 1 << 18 };

static int entries_left;

// --- by the engine -------------------------------------------------------------------------------

static void engine_read(struct store *s)
{
    static u8 reparse[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    char path[4096];
    u32 tag = 0, len;
    u64 id = 0;
    for (int i = 0; i < ENTRIES_MAX && reparse_next(s, &tag, &id) == STATUS_SUCCESS; i++) {
        any(reparse_get(s, id, reparse, sizeof reparse, &len));
        any(object_path(s, id, path, sizeof path));
    }
}

static void engine_check(struct image *m, u32 flags)
{
    struct store *s;
    struct blk *b;
    struct check_totals totals;
    FUZZ_ASSERT(blk_open(m->spec, flags & STORE_READONLY ? BLK_READONLY : 0, &b) == STATUS_SUCCESS);
    if (store_open(b, flags, MIB, &s) == STATUS_SUCCESS) {
        engine_read(s);
        any(store_check(s, &(struct check_options){.data = true}, &totals));
        any(store_close(s));
    }
    blk_close(b);
}

// --- by the file system --------------------------------------------------------------------------

// Into memory of just this size, so that a sanitizer sees a step beyond it.
static void read_exactly(hf_handle h, u64 at, size_t len)
{
    size_t done;
    u8 *data = malloc(len);
    FUZZ_ASSERT(data != NULL);
    any(hf_read(h, at, data, len, &done));
    free(data);
}

static void read_file(hf_handle h)
{
    static u8 buffer[1 << 16];
    struct hf_stat st;
    size_t done;
    any(hf_stat(h, &st));
    for (u64 at = 0; at < READ_MAX; at += sizeof buffer)
        if (hf_read(h, at, buffer, sizeof buffer, &done) != STATUS_SUCCESS)
            break;
    any(hf_read(h, st.size - 1, buffer, sizeof buffer, &done));
    for (size_t len = 1; len <= 65536; len *= 16) {
        read_exactly(h, 0, len);
        read_exactly(h, 4095, len);
        read_exactly(h, 16384, len);
    }
    any(hf_query(h, FileStreamInformation, buffer, sizeof buffer, &done));
    any(hf_query(h, FileHardLinkInformation, buffer, sizeof buffer, &done));
    any(hf_query(h, FileAllInformation, buffer, sizeof buffer, &done));
    any(hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, buffer, sizeof buffer, &done));
    any(hf_ioctl(h, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, buffer, sizeof buffer, &done));
    HF_STARTING_VCN from = {0};
    any(hf_ioctl(h, FSCTL_GET_RETRIEVAL_POINTERS, &from, sizeof from, buffer, sizeof buffer, &done));
    any(hf_path(h, (char *)buffer, sizeof buffer));
}

static void read_node(hf_handle h, u64 id)
{
    static u8 value[HF_XATTR_SIZE_MAX];
    static char names[HF_XATTR_LIST_MAX];
    struct hf_attr attr;
    size_t length, done;
    any(hf_node_get(h, id, &attr));
    any(hf_node_readlink(h, id, names, sizeof names, &done));
    if (hf_xattr_list(h, id, names, sizeof names, &length) != STATUS_SUCCESS)
        return;
    for (const char *name = names; name < names + length; name += strlen(name) + 1)
        any(hf_xattr_get(h, id, name, value, sizeof value, &done));
}

static void change_node(hf_handle h, u64 id)
{
    static const u8 value[5000] = {7};
    struct hf_attr attr = {.mode = 0600, .uid = 1, .changed = {.seconds = 1, .nanoseconds = 99}};
    any(hf_xattr_set(h, id, "user.a", value, sizeof value, 0));
    any(hf_xattr_remove(h, id, "user.long"));
    any(hf_node_set(h, id, HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_CHANGED, &attr));
}

static void change_file(hf_handle h)
{
    static const u8 data[70000] = {1};
    size_t done;
    any(hf_write(h, 100, data, sizeof data, &done));
    any(hf_write(h, HF_APPEND, data, 10, &done));
    any(hf_set(h, FileEndOfFileInformation, &(FILE_END_OF_FILE_INFORMATION){5000}, 8));
    any(hf_delete(h));
}

static nt_status visit_open(hf_handle root, const char *name, u32 access, u32 options, hf_handle *out)
{
    return hf_open(name, &(struct hf_open_options){.access = access, .options = options, .root = root}, out);
}

// Everything below a directory: read, followed if it is a link, and if it may be written, changed and
// deleted.
static void visit(hf_handle dir, bool write, int depth)
{
    size_t done, room = 1 << 15;
    u8 *list = malloc(room);
    FUZZ_ASSERT(list != NULL);
    for (bool restart = true; hf_list(dir, NULL, restart, list, room, &done) == STATUS_SUCCESS;
         restart = false) {
        const struct hf_dirent *e = (const struct hf_dirent *)list;
        for (;; e = (const struct hf_dirent *)((const u8 *)e + e->next)) {
            hf_handle h;
            bool dots = strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0;
            if (entries_left-- <= 0)
                goto out;
            u32 access = write ? GENERIC_ALL : GENERIC_READ;
            if (!dots && visit_open(dir, e->name, access, FILE_OPEN_REPARSE_POINT, &h) == STATUS_SUCCESS) {
                struct hf_stat st;
                read_file(h);
                any(hf_stat(h, &st));
                read_node(h, st.id);
                if (depth < DEPTH_MAX)
                    visit(h, write, depth + 1);
                if (write)
                    change_node(h, st.id);
                if (write)
                    change_file(h);
                FUZZ_ASSERT(hf_close(h) == STATUS_SUCCESS);
            }
            if (!dots && visit_open(dir, e->name, GENERIC_READ, 0, &h) == STATUS_SUCCESS)
                FUZZ_ASSERT(hf_close(h) == STATUS_SUCCESS);
            if (e->next == 0)
                break;
        }
    }
    for (u64 cookie = 0;
         hf_node_list(dir, cookie, HF_LIST_ATTR, list, room, &done) == STATUS_SUCCESS && done > 0;) {
        const struct hf_node_entry *e = (const struct hf_node_entry *)list;
        while (e->next != 0)
            e = (const struct hf_node_entry *)((const u8 *)e + e->next);
        cookie = e->cookie;
        if (entries_left-- <= 0)
            break;
    }
out:
    free(list);
}

static void change_volume(void)
{
    hf_handle h;
    if (hf_open("X:\\new", &(struct hf_open_options){.access = GENERIC_ALL, .disposition = FILE_OPEN_IF},
                &h) == STATUS_SUCCESS) {
        size_t done;
        any(hf_write(h, 0, "new", 3, &done));
        any(hf_rename(h, NULL, "X:\\d\\new", true));
        any(hf_link(h, NULL, "X:\\d\\e\\new", true));
        any(hf_flush(h));
        FUZZ_ASSERT(hf_close(h) == STATUS_SUCCESS);
    }
    if (hf_open("X:\\small:named", &(struct hf_open_options){.access = GENERIC_ALL}, &h) == STATUS_SUCCESS) {
        read_file(h);
        change_file(h);
        FUZZ_ASSERT(hf_close(h) == STATUS_SUCCESS);
    }
}

static void file_system(struct image *m, bool write)
{
    char spec[128];
    hf_handle root;
    snprintf(spec, sizeof spec, "%s,cache=1M,retry-ms=0%s", m->spec, write ? "" : ",readonly");
    FUZZ_ASSERT(hf_attach("X:", spec) == STATUS_SUCCESS);
    entries_left = ENTRIES_MAX;
    if (write)
        change_volume();
    if (visit_open(NULL, "X:/", GENERIC_READ, 0, &root) == STATUS_SUCCESS) {
        visit(root, write, 0);
        FUZZ_ASSERT(hf_close(root) == STATUS_SUCCESS);
    }
    FUZZ_ASSERT(hf_detach("X:") != STATUS_FILES_OPEN);
}

static bool touch(void *context, const struct hf_dump_item *item)
{
    for (u32 i = 0; i < item->count; i++)
        for (u32 b = 0; item->fields[i].type >= HF_DUMP_TEXT && b < item->fields[i].length; b++)
            *(u32 *)context += ((const u8 *)item->fields[i].bytes)[b];
    return true;
}

static void dump(struct image *m)
{
    u32 sum = 0;
    for (u32 what = HF_DUMP_SUPERBLOCK; what <= HF_DUMP_LOG; what++)
        any(hf_dump(m->spec, what, 0, touch, &sum));
    for (u64 at = 0; at < 32 * 16384; at += 16384)
        any(hf_dump(m->spec, HF_DUMP_PAGE, at, touch, &sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    u8 mode;
    struct image *m = image_read(&in, &mode);
    dump(m);
    engine_check(m, STORE_READONLY);
    file_system(m, false);
    if (!(mode & MODE_READONLY)) {
        file_system(m, true);
        engine_check(m, 0);
    }
    image_restore(m);
    return 0;
}
