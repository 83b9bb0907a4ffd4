// SPDX-License-Identifier: Apache-2.0
// Named streams and their records.
#include "tests/test.h"

#include "tests/engine/objects.h"

static void named_streams(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct stream *m;
    struct stream_entry entry;
    struct dir_position position = {0};
    size_t done;
    u8 data[20000], back[20000];
    u64 orphan;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "f", false);
    memset(data, 9, sizeof data);
    static const char *names[] = {"Zone", "a", "M"};
    for (u32 i = 0; i < 3; i++) {
        assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
        assert_ok(txn_end(t, stream_create(t, id, str_of(names[i]), i ? CHECKSUM_TYPE_CRC32 : 0)));
        assert_ok(stream_open(v.store, id, str_of(names[i]), &m));
        assert_ok(stream_write(m, 0, data, 5000 * i, &done));
        stream_close(m);
    }
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_status(txn_end(t, stream_create(t, id, STR("ZONE"), 0)), STATUS_OBJECT_NAME_COLLISION);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    assert_status(txn_end(t, stream_create(t, id, STR(""), 0)), STATUS_OBJECT_NAME_INVALID);
    volume_reopen(&v);
    static const struct {
        const char *name;
        u64 size, allocated;
    } want[] = {{"a", 5000, 8192}, {"M", 10000, 12288}, {"Zone", 0, 0}};
    for (u32 i = 0; i < 3; i++) {
        assert_ok(stream_next(v.store, id, &position, &entry));
        assert_int_equal(entry.name.name_len, strlen(want[i].name));
        assert_memory_equal(entry.name.name, want[i].name, entry.name.name_len);
        assert_int_equal(entry.size, want[i].size);
        assert_int_equal(entry.allocated, want[i].allocated);
    }
    assert_status(stream_next(v.store, id, &position, &entry), STATUS_NO_MORE_FILES);
    assert_ok(stream_open(v.store, id, STR("m"), &m));
    assert_ok(stream_read(m, 0, back, sizeof back, &done));
    assert_int_equal(done, 10000);
    assert_memory_equal(back, data, done);
    stream_close(m);
    volume_check(&v);
    // Away with one, its data with it.
    u64 free = v.store->space.root.free;
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_ok(txn_end(t, stream_remove(t, id, STR("m"), &orphan)));
    assert_ok(object_reap(v.store, orphan));
    assert_int_equal(v.store->space.root.free, free + 3);
    assert_status(stream_open(v.store, id, STR("M"), &m), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_null(m);
    assert_ok(txn_begin(v.store, TXN_FREEING, &t));
    assert_status(txn_end(t, stream_remove(t, id, STR("m"), &orphan)), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_check(&v);
    volume_delete(&v, OBJECT_ROOT, "f"); // with the two that are left
    assert_true(v.store->space.root.free >= free + 5);
    volume_check(&v);
    volume_free(&v);
}

static void odd_streams(struct volume *v)
{
    static const struct odd_record odd[] = {{1, 0},    {1, 31},       {1, 32},        {1, 32 + 766},
                                            {766, 40}, {LONGEST, 40}, {LONGEST, 4096}};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct dir_position position = {0};
        struct stream_entry entry;
        struct stream *m;
        record_put(v, ODD, KIND_STREAM, odd[i].tail, odd[i].len);
        assert_status(stream_next(v->store, ODD, &position, &entry), STATUS_FILE_CORRUPT_ERROR);
        if (odd[i].tail == 1) // also because its size is absurd
            assert_status(stream_open(v->store, ODD, STR("a"), &m), STATUS_FILE_CORRUPT_ERROR);
        check_reports(v);
        record_delete(v, ODD, KIND_STREAM, odd[i].tail);
    }
}

static void streams_of_impossible_lengths(void **state)
{
    (void)state;
    struct volume v;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    odd_streams(&v);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_streams),
        cmocka_unit_test(streams_of_impossible_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
