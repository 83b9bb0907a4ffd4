// SPDX-License-Identifier: Apache-2.0
// Volumes on a RAM disk: format, open, commit, what survives a close, bad superblocks, a full volume.
#include "tests/test.h"

#include "engine/engine.h"
#include "tests/engine/volume.h"

static void format_and_open(void **state)
{
    (void)state;
    static const u32 clusters[] = {4096, 65536};
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++) {
        for (u8 copies = 1; copies <= 2; copies++) {
            struct volume v;
            struct store_info info;
            volume_make(&v, 64 * MIB, clusters[i], copies, OPTION_CASE_SENSITIVE);
            store_get_info(v.store, &info);
            assert_int_equal(info.cluster, clusters[i]);
            assert_int_equal(info.copies, copies);
            assert_true(info.free_clusters > info.total_clusters / 2);
            struct inode root;
            assert_ok(inode_get(v.store, OBJECT_ROOT, &root));
            assert_int_equal(root.attributes, FILE_ATTRIBUTE_DIRECTORY);
            volume_check(&v);
            volume_free(&v);
        }
    }
}

static void files_survive_reopen(void **state)
{
    (void)state;
    struct volume v;
    char name[32];
    volume_make(&v, 64 * MIB, 4096, 2, 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "file %d", i);
        volume_create(&v, OBJECT_ROOT, name, false);
    }
    volume_reopen(&v);
    for (int i = 0; i < 3000; i++) {
        struct dirent entry;
        snprintf(name, sizeof name, "FILE %d", i);
        assert_ok(dirent_find(v.store, OBJECT_ROOT, (struct str){name, (u32)strlen(name)}, &entry));
    }
    struct dir_position position = {0};
    struct dirent entry;
    int count = 0;
    while (dirent_next(v.store, OBJECT_ROOT, &position, &entry) == STATUS_SUCCESS)
        count++;
    assert_int_equal(count, 3000);
    volume_check(&v);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "file %d", i);
        volume_delete(&v, OBJECT_ROOT, name);
    }
    bool empty;
    assert_ok(dirent_is_empty(v.store, OBJECT_ROOT, &empty));
    assert_true(empty);
    volume_reopen(&v);
    volume_check(&v);
    volume_free(&v);
}

static void uncommitted_changes_are_lost_whole(void **state)
{
    (void)state;
    struct volume v;
    struct dirent entry;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    volume_create(&v, OBJECT_ROOT, "kept", false);
    assert_ok(store_commit(v.store));
    volume_create(&v, OBJECT_ROOT, "lost", false);
    assert_true(store_abandon(v.store));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("kept"), &entry));
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("lost"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    volume_check(&v);
    volume_free(&v);
}

static void failed_transaction_leaves_nothing(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    struct dirent entry;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    u64 id = volume_create(&v, OBJECT_ROOT, "a", false);
    assert_ok(txn_begin(v.store, TXN_NORMAL, &t));
    struct inode inode = {.attributes = FILE_ATTRIBUTE_ARCHIVE};
    assert_ok(inode_create(t, &inode));
    assert_ok(dirent_add(t, OBJECT_ROOT, STR("b"), inode.id, false));
    assert_ok(dirent_remove(t, OBJECT_ROOT, STR("a")));
    assert_status(txn_end(t, STATUS_ACCESS_DENIED), STATUS_ACCESS_DENIED);
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("a"), &entry));
    assert_int_equal(entry.id, id);
    assert_status(dirent_find(v.store, OBJECT_ROOT, STR("b"), &entry), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(inode_get(v.store, inode.id, &inode), STATUS_FILE_INVALID);
    volume_check(&v);
    volume_free(&v);
}

static void bad_images_are_refused(void **state)
{
    (void)state;
    struct blk *b;
    struct store *s;
    u8 junk[4096];
    assert_ok(blk_open("ram:8388608", 0, &b));
    assert_status(store_open(b, 0, 0, &s), STATUS_UNRECOGNIZED_VOLUME);
    memset(junk, 0xa5, sizeof junk);
    assert_ok(blk_pwrite(b, junk, sizeof junk, 0, NULL));
    assert_status(store_open(b, 0, 0, &s), STATUS_UNRECOGNIZED_VOLUME);
    memcpy(junk, "HOLDFAST", 8);
    assert_ok(blk_pwrite(b, junk, sizeof junk, 0, NULL));
    assert_status(store_open(b, 0, 0, &s), STATUS_DISK_CORRUPT_ERROR);
    blk_close(b);
    assert_ok(blk_open("ram:1000", 0, &b));
    assert_status(store_open(b, 0, 0, &s), STATUS_UNRECOGNIZED_VOLUME);
    struct store_format_options options = {.cluster = 4096};
    assert_status(store_format(b, &options), STATUS_INVALID_PARAMETER);
    blk_close(b);
}

static void format_options_are_checked(void **state)
{
    (void)state;
    struct blk *b;
    assert_ok(blk_open("ram:33554432", 0, &b));
    struct store_format_options bad[] = {
        {.cluster = 8192},
        {.cluster = 4096, .copies = 3},
        {.cluster = 4096, .options = OPTION_ALL + 1},
        {.cluster = 4096, .options = OPTION_NO_INTEGRITY, .integrity = true},
        {.cluster = 4096, .label = STR("123456789012345678901234567890123")},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(store_format(b, &bad[i]), STATUS_INVALID_PARAMETER);
    blk_close(b);
}

static void damaged_superblocks_fall_back_on_copies(void **state)
{
    (void)state;
    struct volume v;
    static const u8 zeros[131072];
    struct dirent entry;
    volume_make(&v, 16 * MIB, 4096, 2, 0);
    volume_create(&v, OBJECT_ROOT, "a", false);
    assert_ok(store_close(v.store));
    assert_ok(blk_pwrite(v.blk, zeros, sizeof zeros, 0, NULL));
    memcpy(v.scratch, "HOLDFAST", 8);
    assert_ok(blk_pwrite(v.blk, v.scratch, 8, 0, NULL));
    assert_ok(store_open(v.blk, 0, 0, &v.store));
    assert_ok(dirent_find(v.store, OBJECT_ROOT, STR("a"), &entry));
    volume_free(&v);
}

static void full_volume_can_still_delete(void **state)
{
    (void)state;
    struct volume v;
    char name[32];
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    int made = 0;
    for (;; made++) {
        snprintf(name, sizeof name, "f%d", made);
        if (volume_write_file(&v, name, 16384) == STATUS_DISK_FULL)
            break;
        assert_true(made < 1000);
    }
    assert_true(made > 100);
    volume_check(&v);
    for (int i = 0; i < made; i++) {
        snprintf(name, sizeof name, "f%d", i);
        volume_delete(&v, OBJECT_ROOT, name);
    }
    assert_ok(store_commit(v.store));
    assert_ok(volume_write_file(&v, "again", 1 << 20));
    volume_reopen(&v);
    volume_check(&v);
    volume_free(&v);
}

static void labels(void **state)
{
    (void)state;
    struct volume v;
    struct store_info info;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_ok(store_set_label(v.store, STR("Größe")));
    assert_status(store_set_label(v.store, STR("123456789012345678901234567890123")),
                  STATUS_INVALID_PARAMETER);
    volume_reopen(&v);
    store_get_info(v.store, &info);
    assert_string_equal(info.label, "Größe");
    volume_free(&v);
}

static void readonly_store_takes_no_change(void **state)
{
    (void)state;
    struct volume v;
    struct txn *t;
    volume_make(&v, 8 * MIB, 4096, 2, 0);
    assert_ok(store_close(v.store));
    assert_ok(store_open(v.blk, STORE_READONLY, 0, &v.store));
    assert_status(txn_begin(v.store, TXN_NORMAL, &t), STATUS_MEDIA_WRITE_PROTECTED);
    assert_status(store_set_label(v.store, STR("x")), STATUS_MEDIA_WRITE_PROTECTED);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_and_open),
        cmocka_unit_test(files_survive_reopen),
        cmocka_unit_test(uncommitted_changes_are_lost_whole),
        cmocka_unit_test(failed_transaction_leaves_nothing),
        cmocka_unit_test(bad_images_are_refused),
        cmocka_unit_test(format_options_are_checked),
        cmocka_unit_test(damaged_superblocks_fall_back_on_copies),
        cmocka_unit_test(full_volume_can_still_delete),
        cmocka_unit_test(labels),
        cmocka_unit_test(readonly_store_takes_no_change),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
