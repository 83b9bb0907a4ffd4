// SPDX-License-Identifier: Apache-2.0
// Images made by hand, with every checksum right, that try to keep whoever reads them busy for ever. Opening,
// listing, the check and the scrub must all come to an end, and say that something is wrong.
#include "tests/test.h"

#include <signal.h>
#include <unistd.h>

#include "block/blk_sim.h"
#include "engine/store.h"

enum { PATIENCE = 60, CACHE = 4 * 1024 * 1024, FAN = 200 };

static void on_alarm(int number)
{
    static const char text[] = "# never ends\n";
    (void)number;
    _exit(write(STDOUT_FILENO, text, sizeof text - 1) > 0 ? 1 : 2);
}

struct image {
    struct blk *blk;
    struct raw_super super;
    u64 next; // place of the next page
};

static void image_make(struct image *i)
{
    struct store_format_options format = {.cluster = 4096, .copies = 1, .options = OPTION_CASE_SENSITIVE};
    struct raw_super other;
    assert_ok(blk_sim_new(8 * MIB, 0, &i->blk));
    assert_ok(store_format(i->blk, &format));
    assert_ok(blk_pread(i->blk, &i->super, sizeof i->super, 0, NULL));
    assert_ok(blk_pread(i->blk, &other, sizeof other, SUPER_SPACING, NULL));
    if (from_le64(other.generation) > from_le64(i->super.generation))
        i->super = other;
    i->next = 2 * MIB;
}

static void page_begin(struct image *i, u8 *data, u32 level)
{
    struct raw_page *head = (struct raw_page *)data;
    memset(data, 0, PAGE_SIZE);
    head->magic = to_le32(PAGE_MAGIC);
    head->kind = PAGE_TREE;
    head->level = (u8)level;
    head->addr[0] = to_le64(i->next);
    head->birth = i->super.generation;
    memcpy(head->volume, i->super.uuid, sizeof head->volume);
    node_init(data);
}

static struct ptr page_end(struct image *i, const u8 *data)
{
    struct ptr ptr = {{i->next, 0}, from_le64(i->super.generation), sum_crc64(data, PAGE_SIZE)};
    assert_ok(blk_pwrite(i->blk, data, PAGE_SIZE, i->next, NULL));
    i->next += PAGE_SIZE;
    return ptr;
}

static void append(u8 *data, const struct key *key, const void *value, u32 length)
{
    node_insert(data, node_count(data), key_slice(key), (struct slice){value, length});
}

static void image_root(struct image *i, const struct ptr *root, u32 level)
{
    ptr_encode(root, &i->super.tree);
    i->super.tree_level = (u8)level;
    i->super.sum = to_le64(sum_crc64(&i->super, offsetof(struct raw_super, sum)));
    u64 place = from_le64(i->super.generation) % 2 * SUPER_SPACING;
    assert_ok(blk_pwrite(i->blk, &i->super, sizeof i->super, place, NULL));
}

static void put_inode(u8 *data, u64 id, u32 attributes, u64 size)
{
    struct raw_inode inode = {.attributes = to_le32(attributes),
                              .links = to_le32(1),
                              .data = {.size = to_le64(size), .data = to_le64(id)}};
    struct key key;
    key_begin(&key, id, KIND_INODE);
    append(data, &key, &inode, sizeof inode);
}

// Whatever anybody may do with a volume. Statuses do not matter here but for the check's.
static void read_everything(struct image *i)
{
    struct store *s;
    struct dir_position position = {0};
    struct dirent entry;
    struct check_totals totals;
    struct check_options check = {.data = true};
    struct scrub_position at = {0};
    struct scrub_options scrub = {0};
    alarm(PATIENCE);
    assert_ok(store_open(i->blk, STORE_READONLY, CACHE, &s));
    for (u32 n = 0; n < 1000 && dirent_next(s, OBJECT_ROOT, &position, &entry) == STATUS_SUCCESS; n++)
        ;
    assert_status(store_check(s, &check, &totals), STATUS_DISK_CORRUPT_ERROR);
    nt_status status = store_scrub(s, &at, &scrub);
    assert_true(status == STATUS_SUCCESS || status == STATUS_DISK_CORRUPT_ERROR);
    assert_ok(store_close(s));
    nt_status opened = store_open(i->blk, 0, CACHE, &s); // finishes what a crash left
    if (opened == STATUS_SUCCESS)
        (void)store_abandon(s);
    alarm(0);
    blk_close(i->blk);
}

// Each page names the one page below it FAN times: FAN to the ninth ways lead to the leaf.
static void a_tree_whose_branches_meet_again(void **state)
{
    static u8 data[PAGE_SIZE];
    struct image i;
    (void)state;
    image_make(&i);
    page_begin(&i, data, 0);
    put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    struct ptr below = page_end(&i, data);
    for (u32 level = 1; level < TREE_LEVELS_MAX; level++) {
        struct raw_ptr raw;
        ptr_encode(&below, &raw);
        page_begin(&i, data, level);
        for (u32 n = 0; n < FAN; n++) {
            struct key key;
            key_begin(&key, OBJECT_ROOT + n, KIND_DIRENT);
            if (n == 0)
                key.len = 0;
            append(data, &key, &raw, sizeof raw);
        }
        below = page_end(&i, data);
    }
    image_root(&i, &below, TREE_LEVELS_MAX - 1);
    read_everything(&i);
}

// Extents that claim to be as long as the field can say, each over all the others.
static void extents_longer_than_the_volume(void **state)
{
    static u8 data[PAGE_SIZE];
    struct image i;
    (void)state;
    image_make(&i);
    page_begin(&i, data, 0);
    put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    put_inode(data, OBJECT_ROOT + 1, FILE_ATTRIBUTE_ARCHIVE, INT64_MAX);
    for (u64 n = 0; n < FAN; n++) {
        struct raw_extent extent = {.unit = to_le64(n), .clusters = to_le32(UINT32_MAX)};
        struct key key;
        key_begin(&key, OBJECT_ROOT + 1, KIND_EXTENT);
        key_add_u64(&key, n);
        append(data, &key, &extent, sizeof extent);
    }
    struct ptr root = page_end(&i, data);
    image_root(&i, &root, 0);
    read_everything(&i);
}

// An orphan that is its own continuation, and one whose data is another's.
static void orphans_that_are_nobody(void **state)
{
    static u8 data[PAGE_SIZE];
    struct image i;
    (void)state;
    image_make(&i);
    page_begin(&i, data, 0);
    u64 orphans[] = {OBJECT_ORPHANS, OBJECT_ROOT, UINT64_MAX};
    for (u32 n = 0; n < ARRAY_LEN(orphans); n++) {
        struct key key;
        key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
        key_add_u64(&key, orphans[n]);
        append(data, &key, "", 0);
    }
    put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    struct ptr root = page_end(&i, data);
    image_root(&i, &root, 0);
    read_everything(&i);
}

int main(void)
{
    signal(SIGALRM, on_alarm);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_whose_branches_meet_again),
        cmocka_unit_test(extents_longer_than_the_volume),
        cmocka_unit_test(orphans_that_are_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
