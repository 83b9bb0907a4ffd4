// SPDX-License-Identifier: Apache-2.0
// Linked with every object of one floor and of the floors that it may call, and with nothing else: a call to
// a floor above, or to one that the floor plan does not give it, is an undefined symbol. That it runs is the
// test.
#include <stdio.h>

int main(void)
{
    puts("1..1\nok 1 - calls nothing above it");
    return 0;
}
