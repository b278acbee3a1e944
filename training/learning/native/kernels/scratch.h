// Memory of each thread, for numbers that stay in its caches.
#pragma once

#include <cstdint>
#include <new>

#include <omp.h>

namespace dragoman {

// Aligned memory for all threads, taken before they begin: an exception must not leave a parallel region. Throws
// std::bad_alloc.
class SharedScratch {
public:
    explicit SharedScratch(int64_t size_each)
        : size_each_((size_each + 15) / 16 * 16),
          numbers_(new (std::align_val_t(64)) float[size_each_ * omp_get_max_threads()]) {}
    ~SharedScratch() { ::operator delete[](numbers_, std::align_val_t(64)); }
    SharedScratch(const SharedScratch&) = delete;
    float* of_thread() const { return numbers_ + size_each_ * omp_get_thread_num(); }

private:
    const int64_t size_each_;
    float* const numbers_;
};

// A thread's own part of it.
class Scratch {
public:
    explicit Scratch(const SharedScratch& shared) : numbers_(shared.of_thread()) {}
    float* take(int64_t size) {
        float* taken = numbers_ + used_;
        used_ += (size + 15) / 16 * 16;
        return taken;
    }

private:
    float* const numbers_;
    int64_t used_ = 0;
};

}  // namespace dragoman
