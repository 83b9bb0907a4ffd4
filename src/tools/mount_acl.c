// SPDX-License-Identifier: Apache-2.0
// POSIX ACLs in the form in which Linux hands them out as extended attributes: a version, then entries of
// tag, rights and id, sorted by tag. The kernel enforces them; what they mean for modes and new files is
// here.
#include "tools/mount.h"

#include <endian.h>
#include <string.h>

enum { ACL_VERSION = 2 };
enum acl_tag {
    ACL_USER_OBJ = 0x01,
    ACL_USER = 0x02,
    ACL_GROUP_OBJ = 0x04,
    ACL_GROUP = 0x08,
    ACL_MASK = 0x10,
    ACL_OTHER = 0x20
};

static uint16_t get16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static struct acl_entry *find(const struct acl *acl, enum acl_tag tag)
{
    for (size_t i = 0; i < acl->count; i++) {
        if (acl->entries[i].tag == tag)
            return (struct acl_entry *)&acl->entries[i];
    }
    return NULL;
}

bool acl_parse(struct acl *acl, const void *value, size_t size)
{
    const unsigned char *p = value;
    uint32_t version;
    if (size < sizeof version || size > ACL_SIZE_MAX || (size - sizeof version) % 8 != 0)
        return false;
    memcpy(&version, p, sizeof version);
    if (le32toh(version) != ACL_VERSION)
        return false;
    acl->count = (size - sizeof version) / 8;
    for (size_t i = 0; i < acl->count; i++) {
        const unsigned char *e = p + sizeof version + 8 * i;
        uint32_t id;
        memcpy(&id, e + 4, sizeof id);
        acl->entries[i] = (struct acl_entry){.tag = get16(e), .rights = get16(e + 2), .id = le32toh(id)};
        if (acl->entries[i].rights & ~7u)
            return false;
    }
    return find(acl, ACL_USER_OBJ) && find(acl, ACL_GROUP_OBJ) && find(acl, ACL_OTHER);
}

size_t acl_format(const struct acl *acl, void *out)
{
    unsigned char *p = out;
    memcpy(p, &(uint32_t){htole32(ACL_VERSION)}, 4);
    for (size_t i = 0; i < acl->count; i++) {
        unsigned char *e = p + 4 + 8 * i;
        memcpy(e, &(uint16_t){htole16(acl->entries[i].tag)}, 2);
        memcpy(e + 2, &(uint16_t){htole16(acl->entries[i].rights)}, 2);
        memcpy(e + 4, &(uint32_t){htole32(acl->entries[i].id)}, 4);
    }
    return 4 + 8 * acl->count;
}

bool acl_is_only_mode(const struct acl *acl)
{
    return acl->count == 3;
}

// Whose rights the group bits of a mode show.
static struct acl_entry *group_class(const struct acl *acl)
{
    struct acl_entry *mask = find(acl, ACL_MASK);
    return mask ? mask : find(acl, ACL_GROUP_OBJ);
}

uint32_t acl_mode(const struct acl *acl)
{
    return (uint32_t)(find(acl, ACL_USER_OBJ)->rights << 6 | group_class(acl)->rights << 3 |
                      find(acl, ACL_OTHER)->rights);
}

void acl_chmod(struct acl *acl, uint32_t mode)
{
    find(acl, ACL_USER_OBJ)->rights = mode >> 6 & 7;
    group_class(acl)->rights = mode >> 3 & 7;
    find(acl, ACL_OTHER)->rights = mode & 7;
}

uint32_t acl_inherit(struct acl *acl, uint32_t mode)
{
    find(acl, ACL_USER_OBJ)->rights &= mode >> 6 & 7;
    group_class(acl)->rights &= mode >> 3 & 7;
    find(acl, ACL_OTHER)->rights &= mode & 7;
    return (mode & ~0777u) | acl_mode(acl);
}
