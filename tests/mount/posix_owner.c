// SPDX-License-Identifier: Apache-2.0
// posix_test: who may do what: permissions, owners, umask, sticky, set-group-id, and what drops set-id bits.
#include "tests/mount/posix.h"

#include <sys/statvfs.h>

enum { ALICE = 4001, BOB = 4002, CAROL = 4003, STAFF = 4100 };

static void hand_to(const char *path, uid_t uid, gid_t gid)
{
    MUST(lchown(path, uid, gid));
}

ROOT_CASE(owner_permissions_of_files)
{
    for (mode_t mode = 0; mode <= 0777; mode = mode == 0 ? 1 : mode << 1) {
        unlink("f");
        close(new_file("f", mode));
        hand_to("f", ALICE, STAFF);
        const struct {
            uid_t uid;
            gid_t gid;
            int shift;
        } who[] = {{ALICE, ALICE, 6}, {BOB, STAFF, 3}, {CAROL, CAROL, 0}};
        for (int i = 0; i < 3; i++) {
            mode_t bits = mode >> who[i].shift & 7;
            AS(who[i].uid, who[i].gid)
            {
                int fd = open("f", O_RDONLY);
                CHECK((fd >= 0) == !!(bits & 4));
                fd = open("f", O_WRONLY);
                CHECK((fd >= 0) == !!(bits & 2));
                EQUAL(access("f", X_OK), bits & 1 ? 0 : -1);
                EQUAL(access("f", R_OK), bits & 4 ? 0 : -1);
                EQUAL(access("f", W_OK), bits & 2 ? 0 : -1);
                if (!(bits & 4))
                    FAILS(EACCES, open("f", O_RDONLY));
                if (!(bits & 2))
                    FAILS(EACCES, open("f", O_WRONLY));
            }
        }
    }
}

// The owner's bits bind the owner even where the group or the others have more.
ROOT_CASE(owner_first_class_that_matches_decides)
{
    close(new_file("f", 0077));
    hand_to("f", ALICE, STAFF);
    AS(ALICE, STAFF)
    FAILS(EACCES, open("f", O_RDONLY));
    AS(BOB, BOB)
    MUST(open("f", O_RDWR));
    MUST(chmod("f", 0707));
    AS(BOB, STAFF)
    FAILS(EACCES, open("f", O_RDONLY));
    gid_t groups[] = {7001, STAFF, 7002};
    AS_GROUPS(BOB, BOB, 3, groups)
    FAILS(EACCES, open("f", O_RDONLY));
    MUST(chmod("f", 0060));
    AS_GROUPS(BOB, BOB, 3, groups)
    MUST(open("f", O_RDWR));
}

ROOT_CASE(owner_permissions_of_directories)
{
    new_dir("d", 0755);
    touch("d/f");
    new_dir("d/sub", 0755);
    hand_to("d", ALICE, STAFF);
    MUST(chmod("d", 0744)); // others may list but not enter
    AS(CAROL, CAROL)
    {
        MUST(open("d", O_RDONLY | O_DIRECTORY));
        FAILS(EACCES, open("d/f", O_RDONLY));
        FAILS(EACCES, access("d/sub", F_OK));
    }
    MUST(chmod("d", 0711)); // enter but not list
    AS(CAROL, CAROL)
    {
        FAILS(EACCES, open("d", O_RDONLY | O_DIRECTORY));
        MUST(open("d/f", O_RDONLY));
        FAILS(EACCES, unlink("d/f"));
        FAILS(EACCES, open("d/new", O_CREAT | O_WRONLY, 0644));
        FAILS(EACCES, mkdir("d/new", 0755));
        FAILS(EACCES, symlink("x", "d/new"));
        FAILS(EACCES, mkfifo("d/new", 0644));
        FAILS(EACCES, rmdir("d/sub"));
        FAILS(EACCES, rename("d/f", "d/g"));
        FAILS(EACCES, rename("d/f", "g"));
        touch("own"); // others' files may not be linked anyway, see protected_hardlinks in proc(5)
        FAILS(EACCES, link("own", "d/g"));
    }
    MUST(chmod("d", 0733));
    AS(CAROL, CAROL)
    {
        MUST(rename("d/f", "d/g"));
        MUST(unlink("d/g"));
        MUST(close(open("d/new", O_CREAT | O_EXCL | O_WRONLY, 0644)));
        struct stat s = stat_of("d/new");
        EQUAL(s.st_uid, CAROL);
        EQUAL(s.st_gid, CAROL);
    }
}

CASE(owner_umask)
{
    const mode_t masks[] = {0, 022, 027, 077, 0777};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        umask(masks[i]);
        MUST(close(open("f", O_CREAT | O_EXCL | O_WRONLY, 0777)));
        MUST(mkdir("d", 0777));
        MUST(mkfifo("p", 0666));
        EQUAL(mode_of("f"), 0777 & ~masks[i]);
        EQUAL(mode_of("d"), 0777 & ~masks[i]);
        EQUAL(mode_of("p"), 0666 & ~masks[i]);
        MUST(unlink("f"));
        MUST(rmdir("d"));
        MUST(unlink("p"));
    }
    umask(0);
    MUST(close(open("f", O_CREAT | O_EXCL | O_WRONLY, 04755)));
    EQUAL(mode_of("f"), 04755);
    MUST(mkdir("d", 01777));
    EQUAL(mode_of("d"), 01777);
    // A mode without a right for the maker does not bind the descriptor that made the file.
    int fd = MUST(open("none", O_CREAT | O_EXCL | O_RDWR, 0));
    write_at(fd, "x", 1, 0);
    EQUAL(mode_of("none"), 0);
}

CASE(owner_every_mode_is_kept)
{
    touch("f");
    new_dir("d", 0755);
    for (mode_t mode = 0; mode <= 07777; mode += mode < 0777 ? 1 : 0111) {
        MUST(chmod("f", mode));
        EQUAL(mode_of("f"), mode);
    }
    for (mode_t mode = 0700; mode <= 07777; mode += 0111) {
        MUST(chmod("d", mode));
        EQUAL(mode_of("d"), mode);
    }
    MUST(chmod("d", 0755));
}

ROOT_CASE(owner_chmod_is_for_owners)
{
    touch("f");
    hand_to("f", ALICE, STAFF);
    AS(BOB, STAFF)
    {
        FAILS(EPERM, chmod("f", 0777));
        FAILS(EPERM, chown("f", BOB, (gid_t)-1));
        FAILS(EPERM, chown("f", (uid_t)-1, BOB));
    }
    AS(ALICE, ALICE)
    {
        MUST(chmod("f", 0640));
        FAILS(EPERM, chown("f", BOB, (gid_t)-1));
        FAILS(EPERM, chown("f", (uid_t)-1, BOB)); // not her group
        MUST(chown("f", (uid_t)-1, ALICE));
        MUST(chown("f", ALICE, (gid_t)-1));
    }
    EQUAL(stat_of("f").st_gid, ALICE);
    // Set-group-id by somebody who is not in the group is dropped.
    hand_to("f", ALICE, STAFF);
    AS(ALICE, ALICE)
    MUST(chmod("f", 02755));
    EQUAL(mode_of("f"), 0755);
    gid_t groups[] = {STAFF};
    AS_GROUPS(ALICE, ALICE, 1, groups)
    MUST(chmod("f", 02755));
    EQUAL(mode_of("f"), 02755);
}

ROOT_CASE(owner_big_ids)
{
    touch("f");
    const uid_t ids[] = {0, 1, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffffd};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        hand_to("f", ids[i], ids[i] ^ 1);
        EQUAL(stat_of("f").st_uid, ids[i]);
        EQUAL(stat_of("f").st_gid, ids[i] ^ 1);
    }
}

ROOT_CASE(owner_chown_keeps_what_is_minus_one)
{
    touch("f");
    hand_to("f", ALICE, STAFF);
    struct stat before = stat_of("f");
    MUST(chown("f", (uid_t)-1, (gid_t)-1));
    MUST(chown("f", (uid_t)-1, BOB));
    EQUAL(stat_of("f").st_uid, ALICE);
    MUST(chown("f", BOB, (gid_t)-1));
    EQUAL(stat_of("f").st_gid, BOB);
    EQUAL(stat_of("f").st_mode, before.st_mode);
    MUST(symlink("f", "l"));
    MUST(lchown("l", CAROL, CAROL));
    EQUAL(stat_of("l").st_uid, CAROL);
    EQUAL(stat_of("f").st_uid, BOB);
}

ROOT_CASE(owner_chown_drops_set_id)
{
    close(new_file("f", 06755));
    MUST(chown("f", ALICE, STAFF));
    EQUAL(mode_of("f"), 0755);
    // Without execution by the group the bit once meant mandatory locks: it stays.
    MUST(chmod("f", 06745));
    MUST(chown("f", BOB, STAFF));
    EQUAL(mode_of("f"), 02745);
    new_dir("d", 06755);
    MUST(chown("d", ALICE, STAFF));
    EQUAL(mode_of("d"), 06755); // directories keep theirs
    hand_to("f", ALICE, STAFF);
    MUST(chmod("f", 04755));
    gid_t groups[] = {STAFF, CAROL};
    AS_GROUPS(ALICE, ALICE, 2, groups)
    MUST(chown("f", (uid_t)-1, CAROL));
    EQUAL(mode_of("f"), 0755);
}

ROOT_CASE(owner_writing_drops_set_id)
{
    enum { WRITE, TRUNCATE, FTRUNCATE, OPEN_TRUNC, FALLOCATE, PUNCH, WAYS };
    char data[8192] = {1};
    for (int way = 0; way < WAYS; way++) {
        unlink("f");
        put("f", data, sizeof data);
        hand_to("f", ALICE, STAFF);
        MUST(chmod("f", 06777));
        AS(BOB, BOB)
        {
            int fd = MUST(open("f", way == OPEN_TRUNC ? O_RDWR | O_TRUNC : O_RDWR));
            switch (way) {
            case WRITE:
                write_at(fd, "x", 1, 0);
                break;
            case TRUNCATE:
                MUST(truncate("f", 100));
                break;
            case FTRUNCATE:
                MUST(ftruncate(fd, 100));
                break;
            case FALLOCATE:
                MUST(fallocate(fd, 0, 0, 20000));
                break;
            case PUNCH:
                MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
                break;
            default:
                break;
            }
            MUST(close(fd));
        }
        if (mode_of("f") != 0777)
            FAIL("way %d left the mode 0%o", way, mode_of("f"));
    }
    // Root may keep them.
    MUST(chmod("f", 06777));
    int fd = MUST(open("f", O_RDWR));
    write_at(fd, "x", 1, 0);
    MUST(close(fd));
    EQUAL(mode_of("f"), 06777);
}

ROOT_CASE(owner_sticky_directory)
{
    new_dir("tmp", 01777);
    close(new_file("tmp/alices", 0666));
    hand_to("tmp/alices", ALICE, ALICE);
    new_dir("tmp/dir", 0777);
    hand_to("tmp/dir", ALICE, ALICE);
    close(new_file("tmp/bobs", 0666));
    hand_to("tmp/bobs", BOB, BOB);
    AS(BOB, BOB)
    {
        FAILS(EPERM, unlink("tmp/alices"));
        FAILS(EPERM, rename("tmp/alices", "tmp/x"));
        FAILS(EPERM, rename("tmp/bobs", "tmp/alices")); // would remove hers
        FAILS(EPERM, rmdir("tmp/dir"));
        FAILS(EPERM, renameat2(AT_FDCWD, "tmp/bobs", AT_FDCWD, "tmp/alices", RENAME_EXCHANGE));
        MUST(rename("tmp/bobs", "tmp/bobs2"));
        MUST(unlink("tmp/bobs2"));
        MUST(open("tmp/alices", O_RDWR)); // its own mode decides
    }
    AS(ALICE, ALICE)
    {
        MUST(unlink("tmp/alices"));
        MUST(rmdir("tmp/dir"));
    }
    hand_to("tmp", CAROL, CAROL);
    close(new_file("tmp/alices", 0600));
    hand_to("tmp/alices", ALICE, ALICE);
    AS(CAROL, CAROL)
    MUST(unlink("tmp/alices")); // the directory's owner may
}

ROOT_CASE(owner_set_group_id_directory)
{
    new_dir("d", 0777);
    hand_to("d", ALICE, STAFF);
    MUST(chmod("d", 02777));
    AS(BOB, BOB)
    {
        umask(0);
        MUST(close(open("d/f", O_CREAT | O_EXCL | O_WRONLY, 0644)));
        MUST(mkdir("d/sub", 0755));
        MUST(mkfifo("d/p", 0644));
        MUST(symlink("x", "d/l"));
        EQUAL(stat_of("d/f").st_gid, STAFF);
        EQUAL(stat_of("d/p").st_gid, STAFF);
        EQUAL(stat_of("d/l").st_gid, STAFF);
        EQUAL(stat_of("d/sub").st_gid, STAFF);
        EQUAL(stat_of("d/f").st_uid, BOB);
        EQUAL(mode_of("d/f"), 0644);
        EQUAL(mode_of("d/sub"), 02755); // handed down
        MUST(mkdir("d/sub/deep", 0700));
        EQUAL(mode_of("d/sub/deep"), 02700);
        EQUAL(stat_of("d/sub/deep").st_gid, STAFF);
    }
    MUST(close(open("d/roots", O_CREAT | O_EXCL | O_WRONLY, 02755)));
    EQUAL(mode_of("d/roots"), 02755);
    // One who is not in the group cannot make a set-group-id program of it.
    AS(BOB, BOB)
    {
        umask(0);
        MUST(close(open("d/g", O_CREAT | O_EXCL | O_WRONLY, 02755)));
    }
    EQUAL(mode_of("d/g"), 0755);
    EQUAL(stat_of("d/g").st_gid, STAFF);
}

ROOT_CASE(owner_times_of_others)
{
    close(new_file("f", 0666));
    hand_to("f", ALICE, ALICE);
    const struct timespec some[2] = {{1000, 0}, {2000, 0}}, now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    AS(BOB, BOB)
    {
        FAILS(EPERM, utimensat(AT_FDCWD, "f", some, 0));
        MUST(utimensat(AT_FDCWD, "f", now, 0)); // who may write may
    }
    MUST(chmod("f", 0644));
    AS(BOB, BOB)
    FAILS(EACCES, utimensat(AT_FDCWD, "f", now, 0));
    AS(ALICE, ALICE)
    MUST(utimensat(AT_FDCWD, "f", some, 0));
}

ROOT_CASE(owner_execution)
{
    struct statvfs v;
    MUST(statvfs(".", &v));
    if (v.f_flag & ST_NOEXEC)
        skip("mounted noexec");
    put("script", "#!/bin/sh\nexit 0\n", 17);
    FAILS(EACCES, execl("./script", "script", NULL));
    MUST(chmod("script", 0755));
    OTHER_PROCESS
    MUST(execl("./script", "script", NULL));
    MUST(chmod("script", 0700));
    AS(BOB, BOB)
    FAILS(EACCES, execl("./script", "script", NULL));
}

// A user's rights on an open descriptor are those of the open: neither chmod nor unlink takes them.
ROOT_CASE(owner_rights_of_open_files_stay)
{
    put("f", "abc", 3);
    hand_to("f", ALICE, ALICE);
    int fd = MUST(open("f", O_RDWR));
    MUST(chmod("f", 0));
    AS(BOB, BOB)
    {
        char c[4];
        EQUAL(pread(fd, c, 4, 0), 3);
        EQUAL(pwrite(fd, "d", 1, 3), 1);
        FAILS(EACCES, open("f", O_RDONLY));
    }
    EQUAL(stat_of("f").st_size, 4);
}

ROOT_CASE(owner_new_nodes_belong_to_the_maker)
{
    AS(BOB, STAFF)
    {
        touch("f");
        MUST(mkdir("d", 0755));
        MUST(symlink("f", "l"));
        MUST(mkfifo("p", 0600));
    }
    const char *names[] = {"f", "d", "l", "p"};
    for (int i = 0; i < 4; i++) {
        EQUAL(stat_of(names[i]).st_uid, BOB);
        EQUAL(stat_of(names[i]).st_gid, STAFF);
    }
    AS(BOB, STAFF)
    {
        FAILS(EPERM, mknod("dev", S_IFCHR | 0600, 0x0103));
        FAILS(EPERM, chroot("."));
    }
}
