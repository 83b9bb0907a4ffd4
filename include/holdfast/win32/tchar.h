// SPDX-License-Identifier: Apache-2.0
// The generic-text names: char functions, or their wide forms when _UNICODE is defined.
#ifndef HOLDFAST_WIN32_TCHAR_H
#define HOLDFAST_WIN32_TCHAR_H

#include <stdio.h>
#include <string.h>

#ifdef _UNICODE
#include <wchar.h>
#define _TCHAR    wchar_t
#define _T(text)  L##text
#define _tmain    wmain
#define _tprintf  wprintf
#define _ftprintf fwprintf
#define _tcslen   wcslen
#define _tcscmp   wcscmp
#define _tcschr   wcschr
#define _tcsrchr  wcsrchr
#define _tcsicmp  _wcsicmp
#define _tcscpy   wcscpy
#else
#define _TCHAR    char
#define _T(text)  text
#define _tmain    main
#define _tprintf  printf
#define _ftprintf fprintf
#define _tcslen   strlen
#define _tcscmp   strcmp
#define _tcschr   strchr
#define _tcsrchr  strrchr
#define _tcsicmp  strcasecmp
#define _tcscpy   strcpy
#endif
#define _TEXT(text) _T(text)

#endif
