// Memory for torch's tensors on a processor. Each update asks for thousands of blocks, in sizes of its own. In the C
// library's heap, among small blocks that live long, they leave more and more gaps, with which it compares every new block:
// after ten minutes that took a fifth of the time. Here large tensors have a region to themselves, whose gaps join again
// after each update. It lies in huge pages, and memory once used is kept.
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include <pthread.h>
#include <sys/mman.h>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include "processor.h"

namespace {

constexpr size_t LEAST = 1 << 16;  // smaller blocks are the C library's
constexpr size_t ALIGNMENT = 64;
constexpr size_t STAGGER = 3 * ALIGNMENT;  // so that rows of equal blocks do not share the sets of a cache

class Region final : public c10::Allocator {
public:
    bool has_addresses() const { return first_ != nullptr; }

    // Reserves addresses, which become memory as they are used. Returns whether it got them.
    bool reserve(size_t size) {
        void* first = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (first == MAP_FAILED) return false;
        madvise(first, size, MADV_HUGEPAGE);
        first_ = static_cast<char*>(first), size_ = size;
        add_gap(first_, size);
        return true;
    }

    c10::DataPtr allocate(size_t size) override {
        void* block = take(size);
        return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void* to, const void* from, size_t size) const override { default_copy_data(to, from, size); }

    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }

    static Region& only() {
        static Region* region = new Region;  // tensors outlive every destructor
        return *region;
    }

private:
    void* take(size_t size) {
        if (size < LEAST) return c10::alloc_cpu(size);
        const size_t due = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + STAGGER;
        {
            const std::lock_guard guard(mutex_);
            if (const auto fitting = gaps_by_size_.lower_bound({due, nullptr}); fitting != gaps_by_size_.end()) {
                const auto [found, block] = *fitting;
                remove_gap(block, found);
                const size_t used = found - due < LEAST ? found : due;
                if (used < found) add_gap(block + used, found - used);
                taken_.emplace(block, used);
                return block;
            }
        }
        return c10::alloc_cpu(size);
    }

    static void release(void* block) {
        if (!only().give_back(static_cast<char*>(block))) c10::free_cpu(block);
    }

    // Returns whether the block lay here.
    bool give_back(char* block) {
        if (block < first_ || block >= first_ + size_) return false;
        const std::lock_guard guard(mutex_);
        const auto taken = taken_.find(block);
        size_t size = taken->second;
        taken_.erase(taken);
        auto next = gaps_.lower_bound(block);
        if (next != gaps_.end() && block + size == next->first) {
            size += next->second;
            next = remove_gap(next->first, next->second);
        }
        if (next != gaps_.begin())
            if (const auto [before, length] = *std::prev(next); before + length == block) {
                remove_gap(before, length);
                block = before, size += length;
            }
        add_gap(block, size);
        return true;
    }

    void add_gap(char* place, size_t size) {
        gaps_.emplace(place, size);
        gaps_by_size_.emplace(size, place);
    }
    std::map<char*, size_t>::iterator remove_gap(char* place, size_t size) {
        gaps_by_size_.erase({size, place});
        return gaps_.erase(gaps_.find(place));
    }

    std::mutex mutex_;
    char* first_ = nullptr;
    size_t size_ = 0;
    std::map<char*, size_t> gaps_;
    std::set<std::pair<size_t, char*>> gaps_by_size_;
    std::unordered_map<char*, size_t> taken_;
};

}  // namespace

extern "C" {

int dragoman_lacks_instructions() { return dragoman::lacks_instructions(); }
int dragoman_sizes(int64_t*) { return 0; }

// From now on torch's large tensors lie in a region of so many bytes; a second call changes nothing. Returns whether there
// is one.
int dragoman_take_over(uint64_t size) {
    if (Region::only().has_addresses()) return 1;
    if (!Region::only().reserve(size)) return 0;
    pthread_atfork([] { Region::only().lock(); }, [] { Region::only().unlock(); }, [] { Region::only().unlock(); });
    c10::SetCPUAllocator(&Region::only(), 1);
    return 1;
}
}
