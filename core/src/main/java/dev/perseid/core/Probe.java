package dev.perseid.core;

/// Work that a pool has a provider do so as to see how long it takes: one of the three parts of a
/// measurement. What comes of it follows from these numbers, and a small part of it drawn at random
/// is enough to check it. docs/capability.md has the work to the bit.
///
/// @param id number of the measurement in the pool, from 1
/// @param part which part of it
/// @param seed drawn at random
/// @param lanes how many threads work at once, 1 to the cores that the provider declares
/// @param length of [Part#ONE_CORE] and [Part#ALL_CORES] the links that each lane does one after
///   the other; of [Part#MEMORY] the chunks of memory that all lanes fill together
/// @param chunkWords 64-bit words of a chunk, a power of two; 0 without chunks
public record Probe(long id, Part part, long seed, int lanes, int length, int chunkWords) {
  /// What is looked at.
  public enum Part {
    /// How fast one core is.
    ONE_CORE,
    /// How many are there.
    ALL_CORES,
    /// How much memory is there.
    MEMORY
  }
}
