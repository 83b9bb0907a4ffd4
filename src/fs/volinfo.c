// SPDX-License-Identifier: Apache-2.0
// Information about the volume, by class, through any handle on it. Figures come from the store, so that free
// space is what a writer would get now.
#include "fs/request.h"

static nt_status reply_fixed(struct irp *irp, const void *data, size_t size)
{
    memcpy(irp->p.query.data, data, size);
    irp->information = size;
    return STATUS_SUCCESS;
}

static nt_status query_volume(struct vcb *vcb, struct irp *irp, const struct store_info *info)
{
    (void)vcb;
    enum { AT = offsetof(FILE_FS_VOLUME_INFORMATION, VolumeLabel) };
    u8 label[STORE_LABEL_UNITS * 2];
    size_t units = STORE_LABEL_UNITS;
    TRY(text_to_utf16((struct str){info->label, (u32)strlen(info->label)}, label, &units));
    FILE_FS_VOLUME_INFORMATION out = {.VolumeCreationTime = (i64)info->created,
                                      .VolumeSerialNumber = info->identity.serial,
                                      .VolumeLabelLength = (u32)units * 2};
    memcpy(irp->p.query.data, &out, AT);
    return reply_text(irp, AT, label, units * 2);
}

static nt_status query_size(struct vcb *vcb, struct irp *irp, const struct store_info *info)
{
    (void)vcb;
    FILE_FS_SIZE_INFORMATION out = {(i64)info->total_clusters, (i64)info->free_clusters,
                                    info->cluster / info->sector, info->sector};
    return reply_fixed(irp, &out, sizeof out);
}

static nt_status query_full_size(struct vcb *vcb, struct irp *irp, const struct store_info *info)
{
    (void)vcb;
    FILE_FS_FULL_SIZE_INFORMATION out = {(i64)info->total_clusters, (i64)info->free_clusters,
                                         (i64)info->free_clusters, info->cluster / info->sector,
                                         info->sector};
    return reply_fixed(irp, &out, sizeof out);
}

static nt_status query_device(struct vcb *vcb, struct irp *irp, const struct store_info *info)
{
    enum { REMOVABLE_MEDIA = 1, READ_ONLY_DEVICE = 2, DEVICE_IS_MOUNTED = 0x20 };
    FILE_FS_DEVICE_INFORMATION out = {vcb->real->type, DEVICE_IS_MOUNTED};
    if (vcb->real->characteristics & DEVICE_REMOVABLE_MEDIA)
        out.Characteristics |= REMOVABLE_MEDIA;
    if (info->readonly)
        out.Characteristics |= READ_ONLY_DEVICE;
    return reply_fixed(irp, &out, sizeof out);
}

static u32 features(const struct store_info *info)
{
    u32 f = FILE_CASE_PRESERVED_NAMES | FILE_UNICODE_ON_DISK | FILE_SUPPORTS_SPARSE_FILES |
            FILE_NAMED_STREAMS | FILE_SUPPORTS_HARD_LINKS | FILE_SUPPORTS_OPEN_BY_FILE_ID |
            FILE_SUPPORTS_BLOCK_REFCOUNTING;
    if (info->options & OPTION_CASE_SENSITIVE)
        f |= FILE_CASE_SENSITIVE_SEARCH;
    if (!(info->options & OPTION_NO_REPARSE))
        f |= FILE_SUPPORTS_REPARSE_POINTS;
    if (!(info->options & OPTION_NO_INTEGRITY))
        f |= FILE_SUPPORTS_INTEGRITY_STREAMS;
    if (info->readonly)
        f |= FILE_READ_ONLY_VOLUME;
    return f;
}

static nt_status query_attribute(struct vcb *vcb, struct irp *irp, const struct store_info *info)
{
    (void)vcb;
    enum { AT = offsetof(FILE_FS_ATTRIBUTE_INFORMATION, FileSystemName) };
    static const char name[] = {'H', 0, 'o', 0, 'l', 0, 'd', 0, 'f', 0, 'a', 0, 's', 0, 't', 0};
    FILE_FS_ATTRIBUTE_INFORMATION out = {.FileSystemAttributes = features(info),
                                         .MaximumComponentNameLength = TEXT_NAME_UNITS,
                                         .FileSystemNameLength = sizeof name};
    memcpy(irp->p.query.data, &out, AT);
    return reply_text(irp, AT, name, sizeof name);
}

static nt_status query_stats(struct vcb *vcb, struct irp *irp, const struct store_info *info)
{
    (void)info;
    struct store_stats stats;
    store_get_stats(vcb->store, &stats);
    HF_FS_STATS_INFORMATION out = {stats.pages_read, stats.pages_written, stats.commits, stats.repairs,
                                   stats.checksum_errors};
    return reply_fixed(irp, &out, sizeof out);
}

static const struct row {
    u32 class_;
    u32 least;
    nt_status (*run)(struct vcb *vcb, struct irp *irp, const struct store_info *info);
} rows[] = {
    {FileFsVolumeInformation, sizeof(FILE_FS_VOLUME_INFORMATION), query_volume},
    {FileFsSizeInformation, sizeof(FILE_FS_SIZE_INFORMATION), query_size},
    {FileFsDeviceInformation, sizeof(FILE_FS_DEVICE_INFORMATION), query_device},
    {FileFsAttributeInformation, sizeof(FILE_FS_ATTRIBUTE_INFORMATION), query_attribute},
    {FileFsFullSizeInformation, sizeof(FILE_FS_FULL_SIZE_INFORMATION), query_full_size},
    {FileHfFsStatsInformation, sizeof(HF_FS_STATS_INFORMATION), query_stats},
};

nt_status fs_query_volume(struct vcb *vcb, struct irp *irp)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].class_ != irp->p.query.class_)
            continue;
        if (irp->p.query.length < rows[i].least)
            return STATUS_INFO_LENGTH_MISMATCH;
        struct store_info info;
        store_get_info(vcb->store, &info);
        return rows[i].run(vcb, irp, &info);
    }
    return STATUS_INVALID_INFO_CLASS;
}

// The label comes as UTF-8 in p.set.name. FileFsLabelInformation is the only class that can be set.
nt_status fs_set_volume(struct vcb *vcb, struct irp *irp)
{
    if (irp->p.set.class_ != FileFsLabelInformation)
        return STATUS_INVALID_INFO_CLASS;
    if (irp_ccb(irp)->scb)
        return STATUS_INVALID_PARAMETER;
    if (!(irp->file->access & FILE_WRITE_DATA))
        return STATUS_ACCESS_DENIED;
    if (vcb_is_readonly(vcb))
        return STATUS_MEDIA_WRITE_PROTECTED;
    return store_set_label(vcb->store, irp->p.set.name);
}
