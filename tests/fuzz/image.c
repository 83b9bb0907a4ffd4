// SPDX-License-Identifier: Apache-2.0
// A volume holds one of everything: several leaves, named streams, links, reparse points, sums, shared
// clusters, an orphan. The sealing walk trusts nothing of what it walks over, only that it may write to it.
#include "tests/fuzz/image.h"

#include <holdfast/holdfast.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/store.h"
#include "engine/stream.h"
#include "engine/stream_record.h"

enum { CHUNK = 4096, WALK_PAGES = 2048, NAMES = 120 };

// --- making one ----------------------------------------------------------------------------------

static void make_file(const char *name, u32 options, const void *data, size_t len)
{
    hf_handle h;
    size_t done;
    must(hf_open(name,
                 &(struct hf_open_options){
                     .access = GENERIC_READ | GENERIC_WRITE, .disposition = FILE_CREATE, .options = options},
                 &h));
    if (len > 0)
        must(hf_write(h, 0, data, len, &done));
    must(hf_close(h));
}

static void make_reparse(const char *name, const void *buffer, size_t len)
{
    hf_handle h;
    size_t done;
    make_file(name, 0, NULL, 0);
    must(hf_open(name, &(struct hf_open_options){.access = GENERIC_WRITE, .options = FILE_OPEN_REPARSE_POINT},
                 &h));
    must(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, buffer, len, NULL, 0, &done));
    must(hf_close(h));
}

static void make_files(void)
{
    static const u8 foreign[] = {0x25, 0, 0, 0x80, 5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    static const u8 symlink[] = {0x0c, 0, 0, 0xa0, 16, 0, 0, 0, 0,   0, 2,   0,
                                 2,    0, 2, 0,    1,  0, 0, 0, 'd', 0, 'd', 0};
    static u8 data[100000];
    static u8 big[9000] = {0x26, 0, 0, 0x80, 0x20, 0x23};
    hf_handle h;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (u8)(i * 7 + i / 256);
    make_file("X:/d", FILE_DIRECTORY_FILE, NULL, 0);
    make_file("X:/d/e", FILE_DIRECTORY_FILE, NULL, 0);
    make_file("X:/d/empty", 0, NULL, 0);
    make_file("X:/small", 0, data, 13);
    make_file("X:/d/big", 0, data, sizeof data);
    make_file("X:\\small:named", 0, data, 5000);
    make_file("X:\\small:other", 0, data, 10);
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "X:/d/e/many %03d", i);
        make_file(name, 0, data, (size_t)(i % 3));
    }
    make_reparse("X:/foreign", foreign, sizeof foreign);
    make_reparse("X:/link", symlink, sizeof symlink);
    make_reparse("X:/large", big, sizeof big);
    must(hf_open("X:/small", &(struct hf_open_options){.access = GENERIC_ALL}, &h));
    must(hf_link(h, NULL, "X:/d/e/hard link", false));
    must(hf_close(h));
}

// Owners, and extended attributes in one piece and in several.
static void make_owner(struct store *s, const char *name)
{
    static const u8 value[10000] = {1, 2, 3};
    struct dirent entry;
    struct inode inode;
    struct txn *t;
    must(dirent_find(s, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
    must(inode_get(s, entry.id, &inode));
    inode.mode = 0104755;
    inode.uid = inode.gid = 1000;
    memset(inode.nanos, 99, sizeof inode.nanos);
    must(txn_begin(s, TXN_NORMAL, &t));
    must(inode_put(t, &inode));
    must(xattr_set(t, entry.id, STR("user.a"), value, 10));
    must(xattr_set(t, entry.id, STR("user.long"), value, sizeof value));
    must(xattr_set(t, entry.id, STR("user.none"), value, 0));
    must(txn_end(t, STATUS_SUCCESS));
}

// What no user's call leaves behind: an orphan; and clusters that two files share.
static void make_rest(struct store *s)
{
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE, .algorithm = store_algorithm(s)};
    struct dirent d, entry;
    struct stream *from, *to;
    struct txn *t;
    make_owner(s, "small");
    make_owner(s, "d");
    must(dirent_find(s, OBJECT_ROOT, STR("d"), &d));
    must(dirent_find(s, d.id, STR("big"), &entry));
    must(stream_open(s, entry.id, (struct str){NULL, 0}, &from));
    must(dirent_find(s, d.id, STR("empty"), &entry));
    must(stream_open(s, entry.id, (struct str){NULL, 0}, &to));
    must(stream_set_size(to, 65536));
    must(stream_clone(from, 0, to, 0, 65536));
    stream_close(from);
    stream_close(to);
    must(store_commit(s));
    must(txn_begin(s, TXN_NORMAL, &t));
    must(inode_create(t, &inode));
    must(object_orphan(t, inode.id));
    must(txn_end(t, STATUS_SUCCESS));
    must(store_commit(s));
}

// A commit that says where the log is; what follows goes there.
static void make_log(struct store *s)
{
    make_owner(s, "link");
    must(store_sync(s));
}

static void make_entries(struct store *s, struct image *m)
{
    static const u8 data[9000] = {1, 2, 3};
    struct dirent entry;
    struct stream *stream;
    size_t done;
    must(dirent_find(s, OBJECT_ROOT, STR("small"), &entry));
    must(stream_open(s, entry.id, (struct str){NULL, 0}, &stream));
    must(stream_write(stream, 5, data, sizeof data, &done));
    must(store_sync(s));
    make_owner(s, "foreign");
    must(stream_write(stream, 4096, data, 10, &done));
    must(store_sync(s));
    stream_close(stream);
    FUZZ_ASSERT(s->log.head >= 2);
    m->pages[m->page_count++] = m->pages[2];
    m->pages[2] = s->log.unit * s->unit; // behind the superblocks
}

static void note_page(void *context, u64 address, u32 kind, u32 level, u32 copy)
{
    struct image *m = context;
    (void)kind;
    (void)level;
    if (copy == 0 && m->page_count + 1 < ARRAY_LEN(m->pages))
        m->pages[m->page_count++] = address;
}

static void make(struct image *m, u32 cluster, u32 copies, bool log)
{
    struct store *s;
    struct blk *b;
    m->size = STORE_SIZE_MIN(cluster);
    m->fd = memfd_create("holdfast-fuzz", MFD_CLOEXEC);
    FUZZ_ASSERT(m->fd >= 0 && ftruncate(m->fd, (off_t)m->size) == 0);
    snprintf(m->spec, sizeof m->spec, "file:/proc/self/fd/%d", m->fd);
    must(hf_format(m->spec, &(struct hf_format_options){
                                .cluster = cluster, .copies = copies, .integrity = true, .label = "fuzz"}));
    must(hf_attach("X:", m->spec));
    make_files();
    must(hf_detach("X:"));
    must(blk_open(m->spec, 0, &b));
    must(store_open(b, 0, MIB, &s));
    make_rest(s);
    if (log)
        make_log(s);
    struct check_totals totals;
    m->pages[m->page_count++] = 0;
    m->pages[m->page_count++] = SUPER_SPACING;
    must(store_check(s, &(struct check_options){.page = note_page, .context = m}, &totals));
    if (log)
        make_entries(s, m);
    store_abandon(s);
    blk_close(b);
    m->clean = malloc(m->size);
    FUZZ_ASSERT(m->clean && pread(m->fd, m->clean, m->size, 0) == (ssize_t)m->size);
}

static struct image *image_get(u32 which, bool log)
{
    static struct image images[2][IMAGES];
    static const struct {
        u32 cluster, copies;
    } kinds[IMAGES] = {{4096, 1}, {4096, 2}, {65536, 1}};
    struct image *m = &images[log][which % IMAGES];
    if (!m->clean)
        make(m, kinds[which % IMAGES].cluster, kinds[which % IMAGES].copies, log);
    return m;
}

void image_restore(struct image *m)
{
    static const u8 zeros[CHUNK];
    FUZZ_ASSERT(ftruncate(m->fd, 0) == 0 && ftruncate(m->fd, (off_t)m->size) == 0);
    for (u64 at = 0; at < m->size; at += CHUNK)
        if (memcmp(m->clean + at, zeros, CHUNK) != 0)
            FUZZ_ASSERT(pwrite(m->fd, m->clean + at, CHUNK, (off_t)at) == CHUNK);
}

// --- sealing -------------------------------------------------------------------------------------

struct walk {
    struct image *m;
    u8 *bytes; // the image, mapped
    u32 left;  // pages: what leads back to itself must end
};

static u8 *page_at(struct walk *w, u64 addr)
{
    return addr <= w->m->size - PAGE_SIZE && w->left > 0 ? w->bytes + addr : NULL;
}

static void second_copy(struct walk *w, const u8 *page, u64 addr)
{
    if (addr != 0 && addr <= w->m->size - PAGE_SIZE && w->bytes + addr != page)
        memmove(w->bytes + addr, page, PAGE_SIZE);
}

static void seal_tree(struct walk *w, struct raw_ptr *ptr, u32 level)
{
    u8 *page = page_at(w, from_le64(ptr->addr[0]));
    if (!page)
        return;
    w->left--;
    for (u32 i = 0; level > 0 && i < node_count(page); i++) {
        u32 slot = sizeof(struct raw_page) + 2 * i;
        u32 at = slot + 2 <= PAGE_SIZE ? get_le16(page + slot) : PAGE_SIZE;
        u32 value = at + 4 <= PAGE_SIZE ? at + 4u + get_le16(page + at) : PAGE_SIZE;
        if (value + sizeof(struct raw_ptr) <= PAGE_SIZE)
            seal_tree(w, (struct raw_ptr *)(page + value), level - 1);
    }
    ptr->sum = to_le64(sum_crc64(page, PAGE_SIZE));
    second_copy(w, page, from_le64(ptr->addr[1]));
}

// The volumes are so small that their space map is one page.
static void seal_space(struct walk *w, struct raw_super *super)
{
    u64 addr = SUPER_AREA + (super->space.slot & 1) * (u64)PAGE_SIZE;
    u8 *page = page_at(w, addr);
    super->space.sum = to_le64(sum_crc64(page, PAGE_SIZE));
    if (super->copies == 2)
        second_copy(w, page, addr + from_le64(super->mirror_gap));
}

static void seal_log(const struct walk *w, const struct raw_super *super)
{
    u64 at = from_le64(super->log_unit) * from_le32(super->unit_size), blocks = from_le32(super->log_blocks);
    if (from_le64(super->log_unit) == 0 || at > w->m->size || blocks > (w->m->size - at) / LOG_BLOCK)
        return;
    for (u64 end = at + blocks * LOG_BLOCK; at < end;) {
        struct raw_log *head = (struct raw_log *)(w->bytes + at);
        u32 length = from_le32(head->length);
        if (length < sizeof *head || length > end - at)
            return;
        head->super_sum = super->sum;
        head->sum = to_le64(0);
        head->sum = to_le64(sum_crc64(head, length));
        at += align_up(length, LOG_BLOCK);
    }
}

// The checksums of everything that the newest superblock leads to, and of the superblocks.
static void seal(struct image *m)
{
    struct walk w = {m, mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0), WALK_PAGES};
    FUZZ_ASSERT(w.bytes != MAP_FAILED);
    struct raw_super *slots[] = {(struct raw_super *)w.bytes, (struct raw_super *)(w.bytes + SUPER_SPACING)};
    u32 newest = from_le64(slots[1]->generation) > from_le64(slots[0]->generation);
    seal_space(&w, slots[newest]);
    seal_tree(&w, &slots[newest]->tree, MIN((u32)slots[newest]->tree_level, (u32)TREE_LEVELS_MAX));
    for (u32 i = 0; i < 2; i++) {
        slots[i]->sum = to_le64(sum_crc64(slots[i], offsetof(struct raw_super, sum)));
        u64 gap = from_le64(slots[i]->mirror_gap);
        if (slots[i]->copies == 2 && gap < m->size / 2)
            memmove(w.bytes + gap + i * SUPER_SPACING, slots[i], SUPER_SIZE);
    }
    seal_log(&w, slots[newest]);
    munmap(w.bytes, m->size);
}

struct image *image_read(struct input *in, u8 *mode)
{
    u8 which = input_u8(in);
    *mode = input_u8(in);
    struct image *m = image_get(which, *mode & MODE_LOG);
    while (in->left > 0) {
        u64 page = m->pages[input_u8(in) % m->page_count];
        u16 offset = input_u16(in) % PAGE_SIZE;
        size_t want = input_u8(in), len;
        u8 *bytes = input_copy(in, MIN(want, (size_t)PAGE_SIZE - offset), &len);
        FUZZ_ASSERT(pwrite(m->fd, bytes, len, (off_t)(page + offset)) == (ssize_t)len);
        free(bytes);
    }
    if (!(*mode & MODE_RAW))
        seal(m);
    return m;
}
