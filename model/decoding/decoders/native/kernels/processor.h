// What the processor itself says about its instructions. Linux's list may be another processor's: an emulator hands on
// that of its host.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace dragoman {

// Whether the processor lacks instructions that this library was compiled with.
inline bool lacks_instructions() {
    bool has_all = true;
#if defined(__x86_64__)
    __builtin_cpu_init();
#if defined(__FMA__)
    has_all = has_all && __builtin_cpu_supports("fma");
#endif
#if defined(__AVX2__)
    has_all = has_all && __builtin_cpu_supports("avx2");
#endif
#if defined(__AVXVNNI__)
    unsigned eax = 0, ebx, ecx, edx;
    has_all = has_all && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
#endif
#if defined(__AVX512F__)
    has_all = has_all && __builtin_cpu_supports("avx512f");
#endif
#if defined(__AVX512BW__)
    has_all = has_all && __builtin_cpu_supports("avx512bw");
#endif
#if defined(__AVX512DQ__)
    has_all = has_all && __builtin_cpu_supports("avx512dq");
#endif
#if defined(__AVX512VL__)
    has_all = has_all && __builtin_cpu_supports("avx512vl");
#endif
#if defined(__AVX512VNNI__)
    has_all = has_all && __builtin_cpu_supports("avx512vnni");
#endif
#endif
    return !has_all;
}

}  // namespace dragoman
