// What Python calls, by ctypes; mirrored in library.py. What may fail returns 0, or INVALID or FAILED and leaves a
// message for the thread that called.

#include "decoder.h"
#include "processor.h"

using namespace dragoman;

namespace {

constexpr int INVALID = 1;  // what was handed over makes no sense
constexpr int FAILED = 2;  // there is too little memory

thread_local std::string message;

template <class Work> int guarded(Work work) {
    try {
        work();
        return 0;
    } catch (const std::invalid_argument& error) {
        message = error.what();
        return INVALID;
    } catch (const std::bad_alloc&) {
        message = "out of memory";
    } catch (const std::exception& error) {
        message = error.what();
    }
    return FAILED;
}

}  // namespace

extern "C" {

const char* dragoman_message() { return message.c_str(); }

// To be asked before anything else is called.
int dragoman_lacks_instructions() { return lacks_instructions(); }

// The sizes of the structures that library.py mirrors, in its order.
int dragoman_sizes(int64_t* sizes) {
    const size_t found[] = {sizeof(Shape), sizeof(Tensor), sizeof(Admission), sizeof(PieceLists), sizeof(Rows), sizeof(Given),
                            sizeof(SearchArrays), sizeof(Automaton), sizeof(SlotRules)};
    std::copy(std::begin(found), std::end(found), sizes);
    return static_cast<int>(std::size(found));
}

int dragoman_new(const Shape* shape, int is_int8, const Tensor* tensors, int num_tensors,
                 const Tensor* source_positions, const Tensor* target_positions, const uint8_t* is_forbidden,
                 int max_slots, Decoder** decoder) {
    return guarded([&] {
        check_index("maximum of slots", max_slots - 1, INT32_MAX);
        for (const Tensor* positions : {source_positions, target_positions})
            if (positions->num_columns != shape->d_model) refuse("the positions have the wrong width");
        if (source_positions->num_rows < shape->max_source_length) refuse("there are too few positions");
        const TensorTable table(tensors, num_tensors);
        const auto make = [&]<class Precision>(Precision) -> Decoder* {
            const auto weights =
                std::make_shared<const Weights<Precision>>(*shape, table, *source_positions, *target_positions, is_forbidden);
            return new PreciseDecoder<Precision>(weights, max_slots);
        };
        *decoder = is_int8 ? make(Int8()) : make(Float32());
    });
}

int dragoman_replicate(const Decoder* decoder, int max_slots, Decoder** replica) {
    return guarded([&] {
        check_index("maximum of slots", max_slots - 1, INT32_MAX);
        *replica = decoder->replicate(max_slots).release();
    });
}

void dragoman_free(Decoder* decoder) { delete decoder; }

int dragoman_admit(Decoder* decoder, const Admission* admissions, int count) {
    return guarded([&] { decoder->admit(admissions, count); });
}

int dragoman_advance(Decoder* decoder, const Rows* rows) {
    return guarded([&] { decoder->advance(*rows); });
}

int dragoman_extend(Decoder* decoder, const Rows* rows, const int32_t* which, int count, int capacity,
                    double* log_probs, int32_t* parents, int32_t* token_ids, double* wanted) {
    return guarded([&] { decoder->extend(*rows, which, count, capacity, log_probs, parents, token_ids, wanted); });
}

int dragoman_constrain(Decoder* decoder, int slot, const SlotRules* rules) {
    return guarded([&] { decoder->constrain(slot, *rules); });
}

int dragoman_search_step(Decoder* decoder, const SearchArrays* arrays, const int32_t* slots, int count, int32_t* over,
                         int32_t* num_over) {
    return guarded([&] { *num_over = decoder->search_step(*arrays, slots, count, over); });
}

int dragoman_log_probs(Decoder* decoder, const Rows* rows, const int32_t* which, int count, float* results) {
    return guarded([&] { decoder->log_probs(*rows, which, count, results); });
}

int dragoman_score(Decoder* decoder, const Given* given, int count, double* log_probs, float* attention) {
    return guarded([&] { decoder->score(given, count, log_probs, attention); });
}

int dragoman_attention(const Decoder* decoder, int slot, int64_t size, float* results) {
    return guarded([&] { decoder->attention(slot, size, results); });
}

int dragoman_release(Decoder* decoder, int slot) {
    return guarded([&] { decoder->release(slot); });
}

int dragoman_trim(Decoder* decoder) {
    return guarded([&] { decoder->trim(); });
}

}  // extern "C"
