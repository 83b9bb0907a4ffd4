// SPDX-License-Identifier: Apache-2.0
// The ground floor's common words: fixed types, little-endian disk types, checked arithmetic, scope cleanup,
// TRY.
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/ntstatus.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))
#define KIB          1024ull
#define MIB          (1024 * KIB)

// A counted UTF-8 string; not terminated, may hold any byte but is valid UTF-8 wherever it is a name.
struct str {
    const char *p;
    u32 len;
};
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

// Disk types: byte arrays, so that a struct of them has no padding and no alignment on any machine.
typedef struct {
    u8 b[2];
} le16;
typedef struct {
    u8 b[4];
} le32;
typedef struct {
    u8 b[8];
} le64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE_SWAP16(v) (v)
#define LE_SWAP32(v) (v)
#define LE_SWAP64(v) (v)
#else
#define LE_SWAP16(v) __builtin_bswap16(v)
#define LE_SWAP32(v) __builtin_bswap32(v)
#define LE_SWAP64(v) __builtin_bswap64(v)
#endif

#define LE_ACCESSORS(bits)                              \
    static inline u##bits get_le##bits(const void *p)   \
    {                                                   \
        u##bits v;                                      \
        memcpy(&v, p, sizeof v);                        \
        return LE_SWAP##bits(v);                        \
    }                                                   \
    static inline void put_le##bits(void *p, u##bits v) \
    {                                                   \
        v = LE_SWAP##bits(v);                           \
        memcpy(p, &v, sizeof v);                        \
    }                                                   \
    static inline u##bits from_le##bits(le##bits v)     \
    {                                                   \
        return get_le##bits(v.b);                       \
    }                                                   \
    static inline le##bits to_le##bits(u##bits v)       \
    {                                                   \
        le##bits r;                                     \
        put_le##bits(r.b, v);                           \
        return r;                                       \
    }
LE_ACCESSORS(16)
LE_ACCESSORS(32)
LE_ACCESSORS(64)

// Big-endian, only for keys that memcmp must order.
static inline u64 get_be64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return LE_SWAP64(__builtin_bswap64(v));
}
static inline void put_be64(void *p, u64 v)
{
    v = LE_SWAP64(__builtin_bswap64(v));
    memcpy(p, &v, sizeof v);
}

// Powers of two only.
static inline u64 align_down(u64 v, u64 to)
{
    return v & ~(to - 1);
}
static inline u64 align_up(u64 v, u64 to)
{
    return (v + to - 1) & ~(to - 1);
}
static inline bool is_aligned(u64 v, u64 to)
{
    return (v & (to - 1)) == 0;
}

#define add_overflows(a, b, out) __builtin_add_overflow(a, b, out)
#define mul_overflows(a, b, out) __builtin_mul_overflow(a, b, out)

// Pass a status on that is not STATUS_SUCCESS (warnings too): TRY returns it, TRY_OUT stores it and goes to
// out.
#define TRY(call)                         \
    do {                                  \
        nt_status try_status = (call);    \
        if (try_status != STATUS_SUCCESS) \
            return try_status;            \
    } while (0)
#define TRY_OUT(call)                 \
    do {                              \
        status = (call);              \
        if (status != STATUS_SUCCESS) \
            goto out;                 \
    } while (0)

// A broken promise of our own code, never of disk content or of a caller's buffer. Kept in release builds.
_Noreturn void base_assert_failed(const char *expr, const char *file, int line);
#define ASSERT(expr) ((expr) ? (void)0 : base_assert_failed(#expr, __FILE__, __LINE__))

// Debug builds prove that the calling thread holds the mutex on which the code that follows rests.
#ifdef HOLDFAST_DEBUG
bool base_mutex_is_held(const pthread_mutex_t *m);
#define ASSERT_HELD(m) ASSERT(base_mutex_is_held(m))
#else
#define ASSERT_HELD(m) ((void)0)
#endif

// Freed or unlocked at the end of the scope.
static inline void scope_free_pointer(void *p)
{
    free(*(void **)p);
}
#define SCOPE_FREE __attribute__((cleanup(scope_free_pointer)))

static inline pthread_mutex_t *scope_mutex_lock(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}
static inline void scope_mutex_unlock(pthread_mutex_t **m)
{
    pthread_mutex_unlock(*m);
}
static inline pthread_rwlock_t *scope_read_lock(pthread_rwlock_t *l)
{
    pthread_rwlock_rdlock(l);
    return l;
}
static inline pthread_rwlock_t *scope_write_lock(pthread_rwlock_t *l)
{
    pthread_rwlock_wrlock(l);
    return l;
}
static inline void scope_rwlock_unlock(pthread_rwlock_t **l)
{
    pthread_rwlock_unlock(*l);
}
#define SCOPE_NAME2(line) scope_lock_##line
#define SCOPE_NAME(line)  SCOPE_NAME2(line)
#define SCOPE_LOCK(mutex)                                                                        \
    __attribute__((cleanup(scope_mutex_unlock), unused)) pthread_mutex_t *SCOPE_NAME(__LINE__) = \
        scope_mutex_lock(mutex)
#define SCOPE_READ(rwlock)                                                                         \
    __attribute__((cleanup(scope_rwlock_unlock), unused)) pthread_rwlock_t *SCOPE_NAME(__LINE__) = \
        scope_read_lock(rwlock)
#define SCOPE_WRITE(rwlock)                                                                        \
    __attribute__((cleanup(scope_rwlock_unlock), unused)) pthread_rwlock_t *SCOPE_NAME(__LINE__) = \
        scope_write_lock(rwlock)

// Time in 100 ns units since 1601-01-01 UTC, as all file times are.
u64 time_now(void);
#define TIME_UNIX_EPOCH 116444736000000000ull

#endif
