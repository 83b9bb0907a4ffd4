// SPDX-License-Identifier: Apache-2.0
// Images made by hand, with every checksum right, that try to keep whoever reads them busy for ever, or to
// confuse whoever writes to them. Opening, listing, the check, the scrub and work on them must all come to an
// end, and the check say that something is wrong.
#include "tests/test.h"

#include <signal.h>
#include <unistd.h>

#include "block/blk_sim.h"
#include "engine/extent.h"
#include "engine/store.h"
#include "engine/stream.h"
#include "engine/stream_record.h"

enum { PATIENCE = 60, CACHE = 16 * 1024 * 1024, FAN = 300 };

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
    enum { WRITES_MAY_FAIL, WRITES_WORK, WRITES_FAIL } writes;
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

// Records in as many leaves as they need, and one page above.
struct planting {
    struct image *image;
    u8 leaf[PAGE_SIZE];
    struct ptr ptrs[FAN];
    struct key firsts[FAN];
    u32 leaves;
};

static void plant_leaf(struct planting *p)
{
    p->ptrs[p->leaves++] = page_end(p->image, p->leaf);
    assert_true(p->leaves < FAN);
    page_begin(p->image, p->leaf, 0);
}

static void plant(struct planting *p, const struct key *key, const void *value, u32 length)
{
    if (!node_fits(p->leaf, key->len, length))
        plant_leaf(p);
    if (node_count(p->leaf) == 0)
        p->firsts[p->leaves] = *key;
    append(p->leaf, key, value, length);
}

static void planted(struct planting *p)
{
    static u8 root[PAGE_SIZE];
    plant_leaf(p);
    page_begin(p->image, root, 1);
    for (u32 n = 0; n < p->leaves; n++) {
        struct raw_ptr raw;
        ptr_encode(&p->ptrs[n], &raw);
        if (n == 0)
            p->firsts[n].len = 0;
        append(root, &p->firsts[n], &raw, sizeof raw);
    }
    struct ptr ptr = page_end(p->image, root);
    image_root(p->image, &ptr, 1);
}

// New pages and freed ones until the space map has been around the volume, in one generation and in some
// more.
static void write_something(const struct image *i, struct store *s)
{
    enum { ROUNDS = 240, KEPT = 30 };
    static const u8 value[XATTR_VALUE_MAX] = {1};
    u64 ids[ROUNDS];
    for (u32 n = 0; n < ROUNDS; n++) {
        struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE};
        struct txn *t;
        assert_ok(txn_begin(s, TXN_FREEING, &t));
        nt_status status = inode_create(t, &inode);
        ids[n] = inode.id;
        if (status == STATUS_SUCCESS)
            status = xattr_set(t, inode.id, STR("user.some"), value, sizeof value);
        if (n >= KEPT && status == STATUS_SUCCESS)
            status = xattr_remove(t, ids[n - KEPT], STR("user.some"));
        status = txn_end(t, status);
        if (i->writes == WRITES_WORK)
            assert_ok(status);
        if (i->writes == WRITES_FAIL)
            assert_status(status, STATUS_DISK_CORRUPT_ERROR);
        if (n > ROUNDS / 2 && n % 5 == 0)
            assert_ok(store_commit(s));
    }
    assert_ok(store_commit(s));
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
    if (opened == STATUS_SUCCESS) {
        write_something(i, s);
        (void)store_abandon(s);
    }
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
    for (u64 n = 0; n < 200; n++) {
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

static void put_orphan(u8 *data, u64 id)
{
    struct key key;
    key_begin(&key, OBJECT_ORPHANS, KIND_ORPHAN);
    key_add_u64(&key, id);
    append(data, &key, "", 0);
}

// A deleted file whose clusters are given back at once.
static void deleted_file_of(struct image *i, const struct raw_extent *extent, u32 extents)
{
    static u8 data[PAGE_SIZE];
    u64 id = OBJECT_FIRST;
    page_begin(i, data, 0);
    put_orphan(data, id);
    put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    put_inode(data, id, FILE_ATTRIBUTE_ARCHIVE, INT64_MAX);
    for (u32 n = 0; n < extents; n++) {
        struct key key;
        key_begin(&key, id, KIND_EXTENT);
        key_add_u64(&key, n * (u64)EXTENT_CLUSTERS_MAX);
        append(data, &key, &extent[n], sizeof extent[n]);
    }
    i->super.next_object = to_le64(id + 1);
    struct ptr root = page_end(i, data);
    image_root(i, &root, 0);
    read_everything(i);
}

static void a_file_over_the_space_map(void **state)
{
    struct image i;
    (void)state;
    image_make(&i);
    i.writes = WRITES_WORK;
    struct raw_extent extent = {.unit = to_le64(SUPER_AREA / 4096), .clusters = to_le32(16)};
    deleted_file_of(&i, &extent, 1);
}

// All clusters behind the fixed ones, as if the coming generation had written them.
static void a_file_younger_than_its_page(void **state)
{
    struct image i;
    (void)state;
    image_make(&i);
    i.writes = WRITES_FAIL; // its page is no good
    struct raw_extent extent = {.unit = to_le64(48),
                                .clusters = to_le32((u32)from_le64(i.super.units) - 48),
                                .birth = to_le64(from_le64(i.super.generation) + 1)};
    deleted_file_of(&i, &extent, 1);
}

// The tree's only page lies where the space map will go next.
static void a_tree_in_the_space_map(void **state)
{
    static u8 data[PAGE_SIZE];
    struct image i;
    (void)state;
    image_make(&i);
    i.writes = WRITES_WORK;
    i.next = SUPER_AREA + (i.super.space.slot ? 0 : PAGE_SIZE);
    page_begin(&i, data, 0);
    put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    struct ptr root = page_end(&i, data);
    image_root(&i, &root, 0);
    read_everything(&i);
}

// Each file's named stream has the next file for its data: taking apart the first must not go down them all.
static void a_chain_of_streams(void **state)
{
    static struct planting p;
    struct image i;
    struct key key;
    (void)state;
    image_make(&i);
    p = (struct planting){.image = &i};
    page_begin(&i, p.leaf, 0);
    put_orphan(p.leaf, OBJECT_FIRST);
    put_inode(p.leaf, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    for (u64 id = OBJECT_FIRST; p.leaves < FAN - 5; id++) {
        struct {
            struct raw_stream raw;
            char name;
        } stream = {.raw = {.data = to_le64(id + 1)}, .name = 's'};
        struct raw_inode inode = {.attributes = to_le32(FILE_ATTRIBUTE_ARCHIVE),
                                  .data = {.data = to_le64(id)}};
        key_begin(&key, id, KIND_INODE);
        plant(&p, &key, &inode, sizeof inode);
        key_begin(&key, id, KIND_STREAM);
        key_add(&key, "s", 1);
        plant(&p, &key, &stream, sizeof stream.raw + 1);
        i.super.next_object = to_le64(id + 2);
    }
    planted(&p);
    read_everything(&i);
}

// A stream whose name is not that of its key cannot be found to be removed.
static void a_deleted_stream_of_another_name(void **state)
{
    static u8 data[PAGE_SIZE];
    struct image i;
    struct key key;
    struct {
        struct raw_stream raw;
        char name;
    } stream = {.raw = {.data = to_le64(OBJECT_FIRST + 1)}, .name = 'x'};
    struct store *s;
    (void)state;
    image_make(&i);
    page_begin(&i, data, 0);
    put_orphan(data, OBJECT_FIRST);
    put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
    put_inode(data, OBJECT_FIRST, FILE_ATTRIBUTE_ARCHIVE, 0);
    key_begin(&key, OBJECT_FIRST, KIND_STREAM);
    key_add(&key, "s", 1);
    append(data, &key, &stream, sizeof stream.raw + 1);
    struct ptr root = page_end(&i, data);
    image_root(&i, &root, 0);
    assert_ok(store_open(i.blk, 0, CACHE, &s));
    assert_ok(store_close(s));
    read_everything(&i);
}

// A stream and its extent disagree about sums, in either way. Each read is into memory of just its size.
static void extents_that_are_not_of_their_stream(void **state)
{
    static u8 data[PAGE_SIZE];
    (void)state;
    for (int summed = 0; summed < 2; summed++) {
        struct image i;
        struct store *s;
        struct stream *m, *other;
        struct {
            struct raw_extent raw;
            u8 sums[4];
        } extent = {.raw = {.unit = to_le64(1000),
                            .clusters = to_le32(1),
                            .flags = to_le32(summed ? 0 : EXTENT_SUMMED)}};
        struct key key;
        size_t done;
        image_make(&i);
        page_begin(&i, data, 0);
        put_inode(data, OBJECT_ROOT, FILE_ATTRIBUTE_DIRECTORY, 0);
        for (u64 id = OBJECT_FIRST; id < OBJECT_FIRST + 2; id++) {
            struct raw_inode inode = {
                .attributes = to_le32(FILE_ATTRIBUTE_ARCHIVE),
                .links = to_le32(1),
                .data = {.size = to_le64(4096),
                         .allocated = to_le64(id == OBJECT_FIRST ? 4096 : 0),
                         .data = to_le64(id),
                         .algorithm = to_le16(summed ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_NONE)}};
            key_begin(&key, id, KIND_INODE);
            append(data, &key, &inode, sizeof inode);
            key_begin(&key, id, KIND_EXTENT);
            key_add_u64(&key, 0);
            if (id == OBJECT_FIRST)
                append(data, &key, &extent, sizeof extent.raw + (summed ? 0 : 4));
        }
        i.super.next_object = to_le64(OBJECT_FIRST + 2);
        struct ptr root = page_end(&i, data);
        image_root(&i, &root, 0);
        assert_ok(store_open(i.blk, 0, CACHE, &s));
        assert_ok(stream_open(s, OBJECT_FIRST, (struct str){NULL, 0}, &m));
        assert_ok(stream_open(s, OBJECT_FIRST + 1, (struct str){NULL, 0}, &other));
        for (size_t len = 1; len <= 4096; len *= 4) {
            u8 *exact = malloc(len);
            assert_status(stream_read(m, 4096 - len, exact, len, &done), STATUS_FILE_CORRUPT_ERROR);
            free(exact);
        }
        assert_status(stream_write(m, 5, "x", 1, &done), STATUS_FILE_CORRUPT_ERROR);
        assert_status(stream_zero(m, 5, 10), STATUS_FILE_CORRUPT_ERROR);
        assert_status(stream_set_size(m, 100), STATUS_FILE_CORRUPT_ERROR);
        assert_status(stream_clone(m, 0, other, 0, 4096), STATUS_FILE_CORRUPT_ERROR);
        u16 algorithm = summed ? CHECKSUM_TYPE_NONE : CHECKSUM_TYPE_CRC32;
        assert_status(stream_set_integrity(m, algorithm, false), STATUS_FILE_CORRUPT_ERROR);
        assert_ok(stream_set_size(m, 0)); // it can be got rid of
        stream_close(m);
        stream_close(other);
        assert_ok(store_close(s));
        read_everything(&i);
    }
}

int main(void)
{
    signal(SIGALRM, on_alarm);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_whose_branches_meet_again),
        cmocka_unit_test(extents_longer_than_the_volume),
        cmocka_unit_test(orphans_that_are_nobody),
        cmocka_unit_test(a_file_over_the_space_map),
        cmocka_unit_test(a_file_younger_than_its_page),
        cmocka_unit_test(a_tree_in_the_space_map),
        cmocka_unit_test(a_chain_of_streams),
        cmocka_unit_test(a_deleted_stream_of_another_name),
        cmocka_unit_test(extents_that_are_not_of_their_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
