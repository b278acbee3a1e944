// A few threads that share the parts of one call at a time. They look for work for some microseconds after the last
// call, since the next step comes soon, and then sleep: OpenMP's would go on burning the processor that the rest of
// the program, or of the machine, needs.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dragoman {

class ThreadPool {
public:
    // The caller is one of the threads.
    explicit ThreadPool(int num_threads) {
        for (int thread = 1; thread < num_threads; ++thread) threads_.emplace_back([this, thread] { serve(thread); });
    }
    ~ThreadPool() {
        is_closing_ = true;
        announce();
        for (std::thread& thread : threads_) thread.join();
    }
    ThreadPool(const ThreadPool&) = delete;

    int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

    // Runs work(part, thread) for the parts 0 to count - 1, each once, and returns when all have ended. An exception
    // of one of them is thrown again then.
    void run(int count, const std::function<void(int, int)>& work) {
        if (count <= 0) return;
        if (count == 1 || threads_.empty()) {
            for (int part = 0; part < count; ++part) work(part, 0);
            return;
        }
        work_ = &work, count_ = count, failure_ = nullptr;
        next_part_ = 0;
        num_busy_ = static_cast<int>(threads_.size());
        announce();
        take_parts(0);
        await(num_busy_, [](int busy) { return busy == 0; });
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    static constexpr int SPINS = 2000;  // some tens of microseconds

    std::vector<std::thread> threads_;
    std::atomic<unsigned> round_{0};  // changes when there is something new to do
    std::atomic<bool> is_closing_{false};
    std::atomic<int> next_part_{0}, num_busy_{0};
    const std::function<void(int, int)>* work_ = nullptr;
    int count_ = 0;
    std::mutex failure_mutex_;
    std::exception_ptr failure_;

    void announce() {
        ++round_;
        round_.notify_all();
    }

    // Waits until is_due(value).
    template <class Value, class IsDue> static void await(std::atomic<Value>& value, IsDue is_due) {
        for (int spin = 0; spin < SPINS; ++spin) {
            if (is_due(value.load(std::memory_order_acquire))) return;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        for (Value seen = value.load(); !is_due(seen); seen = value.load()) value.wait(seen);
    }

    void serve(int thread) {
        for (unsigned done = 0;;) {
            await(round_, [done](unsigned round) { return round != done; });
            done = round_;
            if (is_closing_) return;
            take_parts(thread);
            if (--num_busy_ == 0) num_busy_.notify_all();
        }
    }

    void take_parts(int thread) {
        for (int part = next_part_++; part < count_; part = next_part_++) {
            try {
                (*work_)(part, thread);
            } catch (...) {
                const std::lock_guard<std::mutex> lock(failure_mutex_);
                failure_ = std::current_exception();
            }
        }
    }
};

}  // namespace dragoman
