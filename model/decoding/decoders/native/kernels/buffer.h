// Memory that starts at a cache line and holds plain numbers.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace dragoman {

template <class T> class Buffer {
public:
    Buffer() = default;
    explicit Buffer(size_t size) { reserve(size); }
    Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Buffer() { std::free(data_); }

    // Room for at least `size` numbers; what it held before is lost if it had less. New memory is all zeros.
    T* reserve(size_t size) {
        if (size > size_) {
            std::free(data_);
            data_ = nullptr, size_ = 0;
            const size_t bytes = (size * sizeof(T) + 63) / 64 * 64;
            data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
            if (!data_) throw std::bad_alloc();
            __builtin_memset(data_, 0, bytes);
            size_ = size;
        }
        return data_;
    }
    T* data() { return data_; }
    const T* data() const { return data_; }
    size_t size() const { return size_; }

private:
    T* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace dragoman
