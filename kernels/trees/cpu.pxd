from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    TREE_INPUTS = 32
    TREE_OUTPUTS = 4

cdef struct TreeModel:
    int64_t depth                        # of every tree; a tree has 1 << depth places for nodes and as many leaves
    int64_t outputs                      # that have trees
    int64_t first_tree[TREE_OUTPUTS + 1]  # trees of output o: first_tree[o] up to first_tree[o + 1], whole groups
    const uint8_t *source_tn             # where the node's value lies in the table of keys
    const int32_t *threshold_tn          # as keys
    const double *leaves_tl
    const double *base_o

# -- QUERIES --
# row: TREE_INPUTS values; out: TREE_OUTPUTS values
cdef void trees_evaluate(const TreeModel *model, const double *row, double *out) noexcept nogil

cdef class Trees:
    cdef TreeModel model
    cdef object _owners
