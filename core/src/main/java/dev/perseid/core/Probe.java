package dev.perseid.core;

/// Work that a pool has a provider do so as to see how long it takes: one part of a measurement.
/// What comes of it follows from these numbers, and a small part of it drawn at random is enough to
/// check it. docs/capability.md has the work to the bit.
///
/// @param id number of the measurement in the pool, from 1
/// @param part which part of it
/// @param seed drawn at random
/// @param lanes how many lanes of links are made at once: by the cores one each, 1 to the cores
///   that the provider declares; by GPUs many each. Of [Part#MEMORY] how many threads fill it, of
///   [Part#GPU_MEMORY] how many GPUs have it
/// @param length the links that each lane does one after the other; of the parts of memory the
///   chunks that are filled
/// @param chunkWords 64-bit words of a chunk, a power of two; 0 without chunks
public record Probe(long id, Part part, long seed, int lanes, int length, int chunkWords) {
  /// What is looked at.
  public enum Part {
    /// How fast one core is.
    ONE_CORE,
    /// How many are there.
    ALL_CORES,
    /// How much memory is there.
    MEMORY,
    /// How fast one GPU is.
    ONE_GPU,
    /// How many are there.
    ALL_GPUS,
    /// How much memory they have.
    GPU_MEMORY;

    /// Whether memory is filled, and not links made.
    public boolean isMemory() {
      return this == MEMORY || this == GPU_MEMORY;
    }

    /// Whether GPUs do the work.
    public boolean isOfGpus() {
      return this == ONE_GPU || this == ALL_GPUS || this == GPU_MEMORY;
    }
  }
}
