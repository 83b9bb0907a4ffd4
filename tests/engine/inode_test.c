// SPDX-License-Identifier: Apache-2.0
// Inodes: they keep what they are given, and impossible ones are refused.
#include "tests/test.h"

#include "tests/engine/objects.h"

static void inodes_keep_what_they_are_given(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct inode back, inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_HIDDEN,
                                .links = 1,
                                .created = 1,
                                .accessed = 1ull << 60,
                                .written = 3,
                                .changed = UINT64_MAX,
                                .algorithm = CHECKSUM_TYPE_CRC64,
                                .enforcement_off = true,
                                .mode = 0107777,
                                .uid = UINT32_MAX,
                                .gid = 1u << 31,
                                .device = 0x12345678,
                                .nanos = {0, 1, 98, 99}};
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, STR("f"), inode.id, false));
    assert_ok(txn_end(t, STATUS_SUCCESS));
    assert_true(inode.id >= OBJECT_FIRST);
    assert_ok(inode_get(v.store, inode.id, &back));
    assert_memory_equal(&back, &inode, sizeof back);
    // A put leaves the stream's state alone.
    inode.attributes = FILE_ATTRIBUTE_READONLY;
    inode.written = 77;
    inode.mode = 0100600;
    inode.uid = 1;
    inode.gid = 2;
    inode.device = 3;
    memcpy(inode.nanos, (u8[]){99, 0, 7, 1}, sizeof inode.nanos);
    inode.algorithm = 0;
    inode.size = 1000;
    inode.enforcement_off = false;
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    volume_reopen(&v);
    assert_ok(inode_get(v.store, inode.id, &back));
    assert_int_equal(back.attributes, FILE_ATTRIBUTE_READONLY);
    assert_int_equal(back.written, 77);
    assert_int_equal(back.mode, 0100600);
    assert_int_equal(back.uid, 1);
    assert_int_equal(back.gid, 2);
    assert_int_equal(back.device, 3);
    assert_memory_equal(back.nanos, inode.nanos, sizeof back.nanos);
    assert_int_equal(back.size, 0);
    assert_int_equal(back.algorithm, CHECKSUM_TYPE_CRC64);
    assert_true(back.enforcement_off);
    assert_status(inode_get(v.store, inode.id + 1, &back), STATUS_FILE_INVALID);
    assert_int_equal(back.id, 0);
    // Ids are never used again, not even across a reopen.
    u64 last = volume_create(&v, OBJECT_ROOT, "g", false);
    volume_delete(&v, OBJECT_ROOT, "g");
    volume_reopen(&v);
    assert_true(volume_create(&v, OBJECT_ROOT, "g", false) > last);
    volume_check(&v);
    volume_free(&v);
}

static void odd_inodes(struct volume *v)
{
    static const u32 lengths[] = {0, 1, 63, 64, 95, 97, 4096};
    struct inode inode;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct stream *m;
        record_put(v, ODD, KIND_INODE, 0, lengths[i]);
        assert_status(inode_get(v->store, ODD, &inode), STATUS_FILE_CORRUPT_ERROR);
        nt_status status = stream_open(v->store, ODD, (struct str){NULL, 0}, &m);
        assert_true(status == STATUS_FILE_CORRUPT_ERROR || lengths[i] >= sizeof(struct raw_inode));
        if (status == STATUS_SUCCESS)
            stream_close(m);
    }
}

// Right lengths, impossible values.
static void odd_posix_fields(struct volume *v)
{
    static const struct raw_inode odd[] = {{.nanos = {100}},
                                           {.nanos = {[INODE_ACCESSED] = 255}},
                                           {.nanos = {[INODE_CHANGED] = 100}},
                                           {.mode = {{0, 0, 1, 0}}},
                                           {.mode = {{0xFF, 0xFF, 0xFF, 0xFF}}}};
    struct inode inode;
    struct key key;
    struct txn *t;
    key_begin(&key, ODD, KIND_INODE);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, tree_put(t, &key, &odd[i], sizeof odd[i])));
        assert_status(inode_get(v->store, ODD, &inode), STATUS_FILE_CORRUPT_ERROR);
        inode = (struct inode){.mode = from_le32(odd[i].mode)};
        memcpy(inode.nanos, odd[i].nanos, sizeof inode.nanos);
        assert_ok(txn_begin(v->store, TXN_NORMAL, &t));
        assert_status(inode_create(t, &inode), STATUS_INVALID_PARAMETER);
        inode.id = ODD;
        assert_status(txn_end(t, inode_put(t, &inode)), STATUS_INVALID_PARAMETER);
    }
}

static void inodes_of_impossible_lengths(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    odd_inodes(&v);
    odd_posix_fields(&v);
    check_reports(&v);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inodes_keep_what_they_are_given),
        cmocka_unit_test(inodes_of_impossible_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
