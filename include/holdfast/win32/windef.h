// SPDX-License-Identifier: Apache-2.0
// The basic Win32 types at their Windows sizes: LONG and DWORD have 32 bits here too, WCHAR has 16. Compile
// with -fshort-wchar (the flags of holdfast-win32 bring it), or L"..." is not made of WCHARs.
#ifndef HOLDFAST_WIN32_WINDEF_H
#define HOLDFAST_WIN32_WINDEF_H

#include <stddef.h>
#include <stdint.h>

#include "sal.h"

#define WINBASEAPI __attribute__((visibility("default")))
#define WINADVAPI  WINBASEAPI
#define WINAPI
#define APIENTRY WINAPI
#define CALLBACK
#define NTAPI
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __stdcall
#define __stdcall
#endif
#ifndef __declspec
#define __declspec(x)
#endif
#ifndef __int64
#define __int64 long long
#endif
#define FAR
#define NEAR
#define CONST const
#define VOID  void
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif
#define MAX_PATH 260

typedef int BOOL, INT, *PBOOL, *LPBOOL, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef unsigned char BYTE, UCHAR, BOOLEAN, *PBYTE, *LPBYTE, *PUCHAR, *PBOOLEAN;
typedef char CHAR, CCHAR, *PCHAR, *LPCH, *PCH, *PSTR, *LPSTR, *NPSTR;
typedef const char *LPCSTR, *PCSTR, *LPCCH;
typedef short SHORT, *PSHORT;
typedef uint16_t WORD, USHORT, *PWORD, *LPWORD, *PUSHORT;
typedef int32_t LONG, INT32, LONG32, *PLONG, *LPLONG, HRESULT;
typedef uint32_t DWORD, ULONG, UINT32, ULONG32, DWORD32, *PDWORD, *LPDWORD, *PULONG;
typedef long long LONGLONG, LONG64, INT64, *PLONGLONG;
typedef unsigned long long ULONGLONG, DWORDLONG, ULONG64, UINT64, DWORD64, *PULONGLONG, *PDWORDLONG;
typedef float FLOAT;
typedef intptr_t INT_PTR, LONG_PTR, SSIZE_T;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR, SIZE_T, *PULONG_PTR, *PDWORD_PTR, *PSIZE_T;
typedef void *PVOID, *LPVOID, *HANDLE, *HLOCAL, *HMODULE, *HINSTANCE, *HWND;
typedef const void *LPCVOID;
typedef HANDLE *PHANDLE, *LPHANDLE;

#if __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif
typedef WCHAR *PWCHAR, *LPWCH, *PWCH, *PWSTR, *LPWSTR, *NWPSTR;
typedef const WCHAR *LPCWSTR, *PCWSTR, *LPCWCH;

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef LPCWSTR LPCTSTR, PCTSTR;
#define HF_WIN32_TEXT(text) L##text
#define HF_WIN32_NAME(name) name##W
#else
typedef char TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef LPCSTR LPCTSTR, PCTSTR;
#define HF_WIN32_TEXT(text) text
#define HF_WIN32_NAME(name) name##A
#endif
#define TEXT(text) HF_WIN32_TEXT(text)

typedef struct _FILETIME {
    DWORD dwLowDateTime, dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

#define MAKEWORD(a, b) ((WORD)(((BYTE)(a)) | ((WORD)((BYTE)(b))) << 8))
#define MAKELONG(a, b) ((LONG)(((WORD)(a)) | ((DWORD)((WORD)(b))) << 16))
#define LOWORD(l)      ((WORD)((DWORD_PTR)(l)&0xffff))
#define HIWORD(l)      ((WORD)((DWORD_PTR)(l) >> 16))
#define LOBYTE(w)      ((BYTE)((DWORD_PTR)(w)&0xff))
#define HIBYTE(w)      ((BYTE)((DWORD_PTR)(w) >> 8))
#if !defined(NOMINMAX) && !defined(__cplusplus)
#ifndef max
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#endif
#endif

#endif
