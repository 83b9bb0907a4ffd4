// SPDX-License-Identifier: Apache-2.0
// Reparse points as Linux file types: links that go out and come back byte for byte, links that Windows made,
// special files of each origin, and data that do not make sense.
#include "tests/fs/node.h"

// The raw buffer as the other door gives it.
static u32 raw_of(u64 id, u8 *out)
{
    struct file_object f;
    u64 done;
    assert_ok(open_node(&root, &f, id, FILE_READ_ATTRIBUTES));
    assert_ok(
        volume_fsctl(&f, FSCTL_GET_REPARSE_POINT, NULL, 0, out, MAXIMUM_REPARSE_DATA_BUFFER_SIZE, &done));
    assert_ok(volume_close(&f));
    return (u32)done;
}

static nt_status set_raw(u64 id, const void *buffer, u32 length)
{
    struct file_object f;
    assert_ok(open_node(&root, &f, id, FILE_WRITE_ATTRIBUTES | FILE_WRITE_DATA));
    nt_status status = volume_fsctl(&f, FSCTL_SET_REPARSE_POINT, buffer, length, NULL, 0, NULL);
    assert_ok(volume_close(&f));
    return status;
}

// Behind the checks of the other door, as a hostile image would have it.
static u64 plant(u64 parent, const char *name, u32 mode, const void *buffer, u32 length)
{
    u64 id = make_node(&root, parent, name, mode);
    struct vcb *vcb = root.device->extension;
    struct inode inode;
    struct txn *t;
    assert_ok(inode_get(vcb->store, id, &inode));
    inode.reparse_tag = get_le32(buffer);
    inode.attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    assert_ok(txn_begin(vcb->store, TXN_NORMAL, &t));
    nt_status status = reparse_set(t, id, buffer, length);
    assert_ok(txn_end(t, status == STATUS_SUCCESS ? inode_put(t, &inode) : status));
    return id;
}

// SYMLINK or MOUNT_POINT with this substitute name.
static u32 windows_link(u32 tag, u32 flags, const char *target, u8 *b)
{
    u32 fixed = tag == IO_REPARSE_TAG_SYMLINK ? 20 : 16;
    size_t units = 4000;
    assert_ok(text_to_utf16((struct str){target, (u32)strlen(target)}, b + fixed, &units));
    u32 bytes = (u32)units * 2;
    memset(b, 0, fixed);
    put_le32(b, tag);
    put_le16(b + 10, (u16)bytes);
    put_le16(b + 12, (u16)(bytes + 2));
    put_le16(b + 14, (u16)bytes);
    if (tag == IO_REPARSE_TAG_SYMLINK)
        put_le32(b + 16, flags);
    memset(b + fixed + bytes, 0, 2);
    memcpy(b + fixed + bytes + 2, b + fixed, bytes);
    memset(b + fixed + 2 * bytes + 2, 0, 2);
    put_le16(b + 4, (u16)(fixed + 2 * bytes + 4 - 8));
    return fixed + 2 * bytes + 4;
}

static void links_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        u32 tag;
    } cases[] = {
        {"bar", IO_REPARSE_TAG_SYMLINK},
        {"../a/b c/./d.txt", IO_REPARSE_TAG_SYMLINK},
        {"\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80", IO_REPARSE_TAG_SYMLINK},
        {"/etc/passwd", IO_REPARSE_TAG_LX_SYMLINK},
        {"a//b", IO_REPARSE_TAG_LX_SYMLINK},
        {"dir/", IO_REPARSE_TAG_LX_SYMLINK},
        {"a\\b", IO_REPARSE_TAG_LX_SYMLINK},
        {"c:d", IO_REPARSE_TAG_LX_SYMLINK},
        {"what?", IO_REPARSE_TAG_LX_SYMLINK},
        {"tab\there", IO_REPARSE_TAG_LX_SYMLINK},
        {"not\xffutf-8", IO_REPARSE_TAG_LX_SYMLINK},
        {"/", IO_REPARSE_TAG_LX_SYMLINK},
    };
    char name[8], target[HF_NODE_TARGET_MAX + 1];
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(name, sizeof name, "l%u", i);
        u64 id = make_symlink(&root, ROOT, name, cases[i].target);
        struct hf_attr attr = attr_of(&root, id);
        assert_int_equal(attr.mode, S_IFLNK | 0777);
        assert_int_equal(attr.size, strlen(cases[i].target));
        assert_int_equal(attr.reparse_tag, cases[i].tag);
        assert_true(attr.attributes & FILE_ATTRIBUTE_REPARSE_POINT);
        assert_ok(read_link(&root, id, target, sizeof target));
        assert_string_equal(target, cases[i].target);
        assert_ok(reparse_validate(raw, raw_of(id, raw)));
    }
}

// RP-223: symlink(2), then GET: the relative flag, and '\' for '/'.
static void rp_223_windows_can_follow(void **state)
{
    (void)state;
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    char name[16];
    size_t bytes = sizeof name;
    u64 id = make_symlink(&root, ROOT, "l", "up/bar");
    assert_true(raw_of(id, raw) > 20);
    assert_int_equal(get_le32(raw), IO_REPARSE_TAG_SYMLINK);
    assert_int_equal(get_le32(raw + 16), SYMLINK_FLAG_RELATIVE);
    assert_ok(text_from_utf16(raw + 20 + get_le16(raw + 8), get_le16(raw + 10) / 2u, name, &bytes));
    assert_int_equal(bytes, 6);
    assert_memory_equal(name, "up\\bar", 6);
    assert_int_equal(get_le16(raw + 6), 0);
    bytes = sizeof name; // the name to print is the same
    assert_ok(text_from_utf16(raw + 20 + get_le16(raw + 12), get_le16(raw + 14) / 2u, name, &bytes));
    assert_int_equal(bytes, 6);
    assert_memory_equal(name, "up\\bar", 6);
    u64 d = make_node(&root, ROOT, "up", S_IFDIR);
    make_node(&root, d, "bar", S_IFREG);
    assert_status(volume_probe(&v, "l", 0), STATUS_REPARSE);
}

static void long_targets(void **state)
{
    (void)state;
    char target[HF_NODE_TARGET_MAX + 2], back[HF_NODE_TARGET_MAX + 1];
    struct hf_attr attr;
    memset(target, 't', sizeof target);
    target[HF_NODE_TARGET_MAX] = 0;
    u64 id = make_symlink(&root, ROOT, "l", target);
    assert_int_equal(attr_of(&root, id).size, HF_NODE_TARGET_MAX);
    assert_ok(read_link(&root, id, back, sizeof back));
    assert_string_equal(back, target);
    assert_status(read_link(&root, id, back, sizeof back - 1), STATUS_BUFFER_TOO_SMALL);
    target[HF_NODE_TARGET_MAX] = 't';
    target[HF_NODE_TARGET_MAX + 1] = 0;
    struct hf_node_new what = {.mode = S_IFLNK, .target = target};
    assert_status(create(&root, ROOT, "m", &what, &attr), STATUS_INVALID_PARAMETER);
    what.target = "";
    assert_status(create(&root, ROOT, "m", &what, &attr), STATUS_INVALID_PARAMETER);
}

static void check_target(u64 id, const char *expected)
{
    char target[HF_NODE_TARGET_MAX + 1];
    assert_ok(read_link(&root, id, target, sizeof target));
    assert_string_equal(target, expected);
    struct hf_attr attr = attr_of(&root, id);
    assert_int_equal(attr.mode & S_IFMT, S_IFLNK);
    assert_int_equal(attr.size, strlen(expected));
}

// RP-222: a link that Windows made: lstat and readlink.
static void rp_222_links_of_windows(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        u32 flags;
        const char *expected;
    } cases[] = {
        {"bar", 1, "bar"},
        {"..\\bar\\x", 1, "../bar/x"},
        {"\\d\\there", 1, "../../d/there"},         // from the root of this volume, also when it is not there
        {"\\??\\X:\\d\\there", 0, "../../d/there"}, // it is here
        {"\\??\\X:\\", 0, "../../"},
        {"\\??\\C:\\Windows", 0, "C:/Windows"}, // nothing of that name here
        {"\\??\\UNC\\server\\share", 0, "UNC/server/share"},
        {"\\Device\\Disk", 0, "/Device/Disk"},
        {"\\??\\X:d", 0, "X:d"},                            // relative to where that drive is
        {"\\??\\X:\\d\\there\\x", 0, "X:/d/there/x"},       // a file has nothing in it
        {"\\??\\X:\\\\d\\\\e", 0, "../../d//e"},            // as if there were one '\\'
        {"\\??\\X:\\d\\link\\x\\y", 0, "../../d/link/x/y"}, // what is behind a link may be there
    };
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    char name[16];
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), e = make_node(&root, d, "e", S_IFDIR);
    make_node(&root, d, "there", S_IFREG);
    make_symlink(&root, d, "link", "e");
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(name, sizeof name, "l%u", i);
        u64 id = make_node(&root, e, name, S_IFREG | 0600);
        assert_ok(
            set_raw(id, raw, windows_link(IO_REPARSE_TAG_SYMLINK, cases[i].flags, cases[i].target, raw)));
        check_target(id, cases[i].expected);
    }
    u64 id = make_node(&root, ROOT, "top", S_IFREG);
    assert_ok(set_raw(id, raw, windows_link(IO_REPARSE_TAG_SYMLINK, 0, "\\??\\X:\\", raw)));
    check_target(id, ".");
}

// From deep below a target may become longer than Linux allows: then it is no link. From nowhere, because the
// link has no name any more, it is what its text says.
static void links_from_far_below(void **state)
{
    (void)state;
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    char target[HF_NODE_TARGET_MAX + 1] = "\\", back[64];
    struct file_object f;
    u64 d = ROOT;
    for (u32 i = 0; i < 2039; i++)
        memcpy(target + 1 + 2 * i, "\xc3\xa4", 3);
    for (u32 i = 0; i < 7; i++) {
        u64 id = make_node(&root, d, "l", S_IFREG | 0600);
        assert_ok(set_raw(id, raw, windows_link(IO_REPARSE_TAG_SYMLINK, 1, target, raw)));
        struct hf_attr attr = attr_of(&root, id);
        if (i <= 5) // 3 * i + 4078 bytes
            assert_int_equal(attr.size, 3 * i + 4078);
        assert_int_equal(attr.mode & S_IFMT, i <= 5 ? S_IFLNK : S_IFREG);
        d = make_node(&root, d, "d", S_IFDIR);
    }
    u64 id = make_node(&root, ROOT, "gone", S_IFREG);
    assert_ok(set_raw(id, raw, windows_link(IO_REPARSE_TAG_SYMLINK, 1, "\\d\\there", raw)));
    assert_ok(open_node(&root, &f, id, FILE_READ_ATTRIBUTES));
    assert_ok(remove_node(&root, ROOT, "gone", false));
    assert_ok(read_link(&root, id, back, sizeof back));
    assert_string_equal(back, "/d/there");
    assert_ok(volume_close(&f));
}

// A junction is a directory with a name of its own; unlink takes it as what it looks like.
static void mount_points(void **state)
{
    (void)state;
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    struct hf_attr attr;
    u64 d = make_node(&root, ROOT, "d", S_IFDIR), j = make_node(&root, d, "j", S_IFDIR | 0755);
    u32 length = windows_link(IO_REPARSE_TAG_MOUNT_POINT, 0, "\\??\\X:\\d", raw);
    assert_ok(set_raw(j, raw, length));
    check_target(j, "../d");
    assert_true(attr_of(&root, j).attributes & FILE_ATTRIBUTE_DIRECTORY);
    struct hf_node_new what = {.mode = S_IFREG};
    assert_status(create(&root, j, "x", &what, &attr), STATUS_NOT_A_DIRECTORY);
    assert_status(find(&root, j, "x", &attr), STATUS_NOT_A_DIRECTORY);
    assert_status(remove_node(&root, d, "j", true), STATUS_NOT_A_DIRECTORY);
    assert_status(rename_node(&root, ROOT, "d", d, "j", 0), STATUS_INVALID_PARAMETER);
    assert_ok(remove_node(&root, d, "j", false));
    assert_status(get(&root, j, &attr), STATUS_FILE_INVALID);
}

static void special_files(void **state)
{
    (void)state;
    static const struct {
        u32 type, tag;
    } cases[] = {{S_IFIFO, IO_REPARSE_TAG_LX_FIFO},
                 {S_IFSOCK, IO_REPARSE_TAG_AF_UNIX},
                 {S_IFCHR, IO_REPARSE_TAG_LX_CHR},
                 {S_IFBLK, IO_REPARSE_TAG_LX_BLK}};
    char name[8], target[8];
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        struct hf_node_new what = {.mode = cases[i].type | 0620, .device = 8 << 20 | 3};
        struct hf_attr attr;
        bool device = cases[i].type == S_IFCHR || cases[i].type == S_IFBLK;
        snprintf(name, sizeof name, "s%u", i);
        assert_ok(create(&root, ROOT, name, &what, &attr));
        attr = attr_of(&root, attr.id);
        assert_int_equal(attr.mode, cases[i].type | 0620);
        assert_int_equal(attr.device, device ? 8 << 20 | 3 : 0);
        assert_int_equal(attr.reparse_tag, cases[i].tag);
        assert_int_equal(attr.size, 0);
        assert_int_equal(raw_of(attr.id, raw), 8);
        assert_status(read_link(&root, attr.id, target, sizeof target), STATUS_NOT_A_REPARSE_POINT);
        attr.size = 5;
        assert_status(set(&root, attr.id, HF_ATTR_SIZE, &attr), STATUS_INVALID_PARAMETER);
        assert_ok(remove_node(&root, ROOT, name, false));
    }
}

static void special_files_of_nfs(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        u32 type;
    } cases[] = {{"FIFO", S_IFIFO}, {"SOCK", S_IFSOCK}, {"CHR", S_IFCHR}, {"BLK", S_IFBLK}};
    char name[8];
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        bool device = i >= 2;
        u8 raw[24] = {0};
        put_le32(raw, IO_REPARSE_TAG_NFS);
        put_le16(raw + 4, device ? 16 : 8);
        memcpy(raw + 8, cases[i].kind, strlen(cases[i].kind));
        put_le32(raw + 16, 259);
        put_le32(raw + 20, 7);
        snprintf(name, sizeof name, "n%u", i);
        u64 id = make_node(&root, ROOT, name, S_IFREG | 0600);
        assert_ok(set_raw(id, raw, device ? 24 : 16));
        struct hf_attr attr = attr_of(&root, id);
        assert_int_equal(attr.mode, cases[i].type | 0600);
        assert_int_equal(attr.device, device ? 259 << 20 | 7 : 0);
    }
    u8 raw[16 + 6] = {0};
    put_le32(raw, IO_REPARSE_TAG_NFS);
    put_le16(raw + 4, 14);
    memcpy(raw + 8, "LNK\1", 4);
    memcpy(raw + 16, "a\0/\0b\0", 6);
    u64 id = make_node(&root, ROOT, "n", S_IFREG);
    assert_ok(set_raw(id, raw, sizeof raw));
    check_target(id, "a/b");
}

// What is longer than its kind allows, or shorter, is a plain file.
static void lengths_of_special_files(void **state)
{
    (void)state;
    static const struct {
        u32 tag;
        const char *kind;
        u32 rest; // bytes behind the kind, or behind the header
        u32 type;
    } cases[] = {{IO_REPARSE_TAG_NFS, "CHR", 8, S_IFCHR},   {IO_REPARSE_TAG_NFS, "CHR", 12, S_IFREG},
                 {IO_REPARSE_TAG_NFS, "BLK", 0, S_IFREG},   {IO_REPARSE_TAG_NFS, "FIFO", 2, S_IFREG},
                 {IO_REPARSE_TAG_NFS, "SOCK", 2, S_IFREG},  {IO_REPARSE_TAG_NFS, "LNK\1", 3, S_IFREG},
                 {IO_REPARSE_TAG_NFS, "LNK\1", 0, S_IFREG}, {IO_REPARSE_TAG_NFS, "LNK\1", 2, S_IFLNK},
                 {IO_REPARSE_TAG_NFS, "WHAT", 0, S_IFREG},  {IO_REPARSE_TAG_LX_CHR, NULL, 1, S_IFREG},
                 {IO_REPARSE_TAG_LX_BLK, NULL, 1, S_IFREG}, {IO_REPARSE_TAG_LX_FIFO, NULL, 1, S_IFREG},
                 {IO_REPARSE_TAG_AF_UNIX, NULL, 1, S_IFREG}};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        u8 raw[32] = {0};
        u32 length = 8 + (cases[i].kind ? 8 : 0) + cases[i].rest;
        put_le32(raw, cases[i].tag);
        put_le16(raw + 4, (u16)(length - 8));
        if (cases[i].kind)
            memcpy(raw + 8, cases[i].kind, strlen(cases[i].kind));
        if (cases[i].kind && cases[i].kind[0] == 'L')
            raw[16] = 'x';
        u64 id = make_node(&root, ROOT, "f", S_IFREG);
        assert_ok(set_raw(id, raw, length));
        assert_int_equal(attr_of(&root, id).mode & S_IFMT, cases[i].type);
        assert_ok(remove_node(&root, ROOT, "f", false));
    }
}

// LX_SYMLINK: both spellings of its version, and targets that Linux cannot have.
static void links_of_wsl(void **state)
{
    (void)state;
    static u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    static const struct {
        u32 version, bytes;
        const char *text; // at its end; 't' before
        bool link;
    } cases[] = {{2, 6, "target", true},
                 {0x02000000, 6, "target", true},
                 {1, 6, "target", false},
                 {3, 6, "target", false},
                 {2, 7, "tar\0get", false},
                 {2, HF_NODE_TARGET_MAX, "t", true},
                 {2, HF_NODE_TARGET_MAX + 1, "t", false},
                 {2, MAXIMUM_REPARSE_DATA_BUFFER_SIZE - 12, "t", false}};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        u32 at = cases[i].bytes <= 7 ? 0 : cases[i].bytes - 1, length = 12 + cases[i].bytes;
        memset(raw, 't', sizeof raw);
        put_le32(raw, IO_REPARSE_TAG_LX_SYMLINK);
        put_le16(raw + 4, (u16)(length - 8));
        put_le16(raw + 6, 0);
        put_le32(raw + 8, cases[i].version);
        memcpy(raw + 12 + at, cases[i].text, cases[i].bytes - at);
        u64 id = make_node(&root, ROOT, "f", S_IFREG);
        assert_ok(set_raw(id, raw, length));
        struct hf_attr attr = attr_of(&root, id);
        assert_int_equal(attr.mode & S_IFMT, cases[i].link ? S_IFLNK : S_IFREG);
        assert_int_equal(attr.size, cases[i].link ? cases[i].bytes : 0);
        assert_ok(remove_node(&root, ROOT, "f", false));
    }
}

// RP-224: an unknown tag is a plain file, whose data are not to be had.
static void rp_224_unknown_tags(void **state)
{
    (void)state;
    struct file_object f;
    struct hf_attr attr;
    char target[8];
    u8 raw[24 + 4] = {0};
    put_le32(raw, 0x00000042);
    put_le16(raw + 4, 4);
    raw[8] = 1;
    u64 id = make_node(&root, ROOT, "f", S_IFREG | 0600);
    assert_ok(set_raw(id, raw, sizeof raw));
    attr = attr_of(&root, id);
    assert_int_equal(attr.mode, S_IFREG | 0600);
    assert_int_equal(attr.reparse_tag, 0x42);
    assert_status(open_node(&root, &f, id, FILE_READ_DATA), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_status(read_link(&root, id, target, sizeof target), STATUS_NOT_A_REPARSE_POINT);
    attr.size = 0;
    assert_status(set(&root, id, HF_ATTR_SIZE, &attr), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_ok(open_node(&root, &f, id, FILE_READ_ATTRIBUTES));
    assert_ok(volume_close(&f));
    assert_ok(remove_node(&root, ROOT, "f", false));
    id = make_node(&root, ROOT, "d", S_IFDIR | 0700);
    assert_ok(set_raw(id, raw, sizeof raw));
    assert_int_equal(attr_of(&root, id).mode, S_IFDIR | 0700);
    assert_ok(remove_node(&root, ROOT, "d", true));
}

// Every length of every kind: a link, a special file, or a plain one; never a crash.
static void hostile_data(void **state)
{
    (void)state;
    static const u32 tags[] = {IO_REPARSE_TAG_SYMLINK, IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_LX_SYMLINK,
                               IO_REPARSE_TAG_NFS,     IO_REPARSE_TAG_AF_UNIX,     IO_REPARSE_TAG_LX_CHR};
    char target[HF_NODE_TARGET_MAX + 1];
    for (u32 i = 0; i < ARRAY_LEN(tags); i++) {
        for (u32 length = 4; length < 40; length++) {
            u8 raw[40];
            memset(raw, 0xff, sizeof raw);
            put_le32(raw, tags[i]);
            if (length >= 6)
                put_le16(raw + 4, (u16)(length - 8));
            if (length & 1)
                put_le32(raw + 8, 2);
            u64 id = plant(ROOT, "h", S_IFREG | 0600, raw, length);
            struct hf_attr attr = attr_of(&root, id);
            nt_status status = read_link(&root, id, target, sizeof target);
            assert_int_equal(status == STATUS_SUCCESS, (attr.mode & S_IFMT) == S_IFLNK);
            if (length < 8)
                assert_int_equal(attr.mode & S_IFMT, S_IFREG);
            assert_ok(remove_node(&root, ROOT, "h", false));
        }
    }
}

// Names beyond their buffer, odd, unpaired, with a NUL in them, empty: plain files.
static void hostile_links(void **state)
{
    (void)state;
    u8 raw[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    static const struct {
        u16 at, value;
    } cases[] = {{8, 2}, {8, 0xfffe}, {10, 0}, {10, 3}, {10, 0xfffe}, {4, 1}, {20, 0}, {20, 0xd800}};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        u32 length = windows_link(IO_REPARSE_TAG_SYMLINK, 1, "abc", raw);
        put_le16(raw + cases[i].at, cases[i].value);
        if (i == 0)
            length = 20 + 6; // no room behind it any more
        if (i == 0)
            put_le16(raw + 4, 18);
        u64 id = plant(ROOT, "h", S_IFREG | 0600, raw, length);
        assert_int_equal(attr_of(&root, id).mode & S_IFMT, S_IFREG);
        assert_ok(remove_node(&root, ROOT, "h", false));
    }
    // A tag without data.
    struct vcb *vcb = root.device->extension;
    struct inode inode;
    struct txn *t;
    u64 id = make_node(&root, ROOT, "h", S_IFREG);
    assert_ok(inode_get(vcb->store, id, &inode));
    inode.reparse_tag = IO_REPARSE_TAG_SYMLINK;
    assert_ok(txn_begin(vcb->store, TXN_NORMAL, &t));
    assert_ok(txn_end(t, inode_put(t, &inode)));
    assert_int_equal(attr_of(&root, id).mode & S_IFMT, S_IFREG);
}

// A root is what it is, whatever its inode says.
static void a_root_with_a_tag(void **state)
{
    (void)state;
    u8 raw[64];
    u32 length = windows_link(IO_REPARSE_TAG_SYMLINK, 1, "abc", raw);
    struct inode inode = stored_inode(&root, ROOT);
    struct txn *t;
    assert_ok(volume_close(&root));
    inode.reparse_tag = IO_REPARSE_TAG_SYMLINK;
    inode.attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    struct store *store = ((const struct vcb *)v.device->extension)->store;
    assert_ok(txn_begin(store, TXN_NORMAL, &t));
    nt_status status = reparse_set(t, ROOT, raw, length);
    assert_ok(txn_end(t, status == STATUS_SUCCESS ? inode_put(t, &inode) : status));
    node_root(&v, &root);
    assert_int_equal(attr_of(&root, ROOT).mode & S_IFMT, S_IFDIR);
    u64 id = make_node(&root, ROOT, "f", S_IFREG);
    assert_int_equal(id_of(&root, ROOT, "f"), id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_come_back, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(rp_223_windows_can_follow, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(long_targets, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(rp_222_links_of_windows, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(links_from_far_below, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(mount_points, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(special_files, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(special_files_of_nfs, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(links_of_wsl, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(lengths_of_special_files, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(rp_224_unknown_tags, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(hostile_data, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(hostile_links, node_setup, node_teardown),
        cmocka_unit_test_setup_teardown(a_root_with_a_tag, node_setup, node_teardown),
    };
    return cmocka_run_group_tests_name("fs/node_link", tests, NULL, NULL);
}
