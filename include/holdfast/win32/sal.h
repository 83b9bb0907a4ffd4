// SPDX-License-Identifier: Apache-2.0
// The annotations that Windows sources carry on parameters; they say nothing to a compiler here. Only those
// whose names no Linux header uses (libstdc++ has its own __in and __out).
#ifndef HOLDFAST_WIN32_SAL_H
#define HOLDFAST_WIN32_SAL_H

#define _In_
#define _In_opt_
#define _In_z_
#define _In_opt_z_
#define _In_reads_(n)
#define _In_reads_opt_(n)
#define _In_reads_bytes_(n)
#define _In_reads_bytes_opt_(n)
#define _Out_
#define _Out_opt_
#define _Out_writes_(n)
#define _Out_writes_opt_(n)
#define _Out_writes_bytes_(n)
#define _Out_writes_bytes_opt_(n)
#define _Out_writes_bytes_to_(n, m)
#define _Out_writes_bytes_to_opt_(n, m)
#define _Outptr_
#define _Outptr_opt_
#define _Inout_
#define _Inout_opt_
#define _Inout_updates_(n)
#define _Inout_updates_bytes_(n)
#define _Pre_valid_
#define _Post_invalid_
#define _Reserved_
#define _Success_(expr)
#define _Check_return_
#define _Must_inspect_result_
#define _Ret_maybenull_
#define _Printf_format_string_

#endif
