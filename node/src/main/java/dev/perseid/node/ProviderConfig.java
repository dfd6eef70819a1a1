package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Limits;
import dev.perseid.core.Operated;
import dev.perseid.core.Price;
import dev.perseid.settle.Key;
import dev.perseid.wire.Channels;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/// How a provider is set up.
///
/// @param key the provider's key; its address is its name in the pool
/// @param pool which pool it serves
/// @param terms under which name and for what price
/// @param lent how much of this machine
/// @param directory folder of this provider alone: cache and scratch files
/// @param engineCache folder in which providers of this user share what makes an engine start
///   faster; empty: none
/// @param isolationRequired whether to run nothing where isolation does not work
/// @param measured whether to run the benchmark at the start
/// @param models which models it serves; empty: none
/// @param natives whether it runs native programs, too
/// @param gpus which GPUs native programs may use; empty: none
/// @param operator whose it is, if that is to be known
/// @param electricity what is said of the power that it takes
public record ProviderConfig(
    Key key,
    PoolAt pool,
    Terms terms,
    Lent lent,
    Path directory,
    Optional<Path> engineCache,
    boolean isolationRequired,
    boolean measured,
    List<ServedModel> models,
    boolean natives,
    Optional<LentGpus> gpus,
    Optional<Operated> operator,
    Electricity electricity) {

  /// Where a pool listens and who it is.
  ///
  /// @param host name or number
  /// @param port 1 to 65535
  /// @param address whoever answers must be this pool, and prove it where `tls` is on
  /// @param tls whether the connection is encrypted; plain text is for loopback only
  public record PoolAt(String host, int port, Address address, boolean tls) {
    /// With TLS unless the host is this machine.
    public static PoolAt of(String host, int port, Address address) {
      return new PoolAt(host, port, address, !Channels.isLoopback(host));
    }

    /// @throws IllegalArgumentException saying which value is wrong and what it must be
    public PoolAt {
      check(port > 0 && port < 65_536, "pool port", port, "1 to 65535");
      check(
          tls || Channels.isLoopback(host),
          "tls",
          tls,
          "true, because the pool '" + host + "' is not on this machine");
    }
  }

  /// The part of the offer that somebody chooses.
  ///
  /// @param name a display name, 1 to 64 characters of `[A-Za-z0-9._-]`
  /// @param region where the machine stands, for placement; at most 32 such characters
  /// @param price what is asked
  public record Terms(String name, String region, Price price) {
    /// @throws IllegalArgumentException saying which value is wrong and what it must be
    public Terms {
      check(
          name.matches("[A-Za-z0-9._-]{1,64}"),
          "name",
          "'" + name + "'",
          "1 to 64 letters, digits, '.', '_' or '-'");
      check(
          region.matches("[A-Za-z0-9._-]{0,32}"),
          "region",
          "'" + region + "'",
          "at most 32 letters, digits, '.', '_' or '-'");
      check(
          price.perBillionGas() >= 0 && price.perGbSecond() >= 0 && price.perGb() >= 0,
          "price",
          price,
          "0 or more in each part");
    }
  }

  /// How much of the machine is lent.
  ///
  /// @param cores tasks of one core that run at once
  /// @param memoryBytes memory of all tasks together
  /// @param cacheBytes disk for the cache of blobs
  /// @param consumers engine processes at once, each for one consumer
  public record Lent(int cores, long memoryBytes, long cacheBytes, int consumers) {
    private static final long MIN_MEMORY_BYTES = 64L << 20;
    private static final long MIN_CACHE_BYTES = 16L << 20;

    /// All processors, half of the memory, 4 GiB of cache, four consumers at once.
    public static Lent usual() {
      return new Lent(
          Math.min(256, Runtime.getRuntime().availableProcessors()),
          Math.max(MIN_MEMORY_BYTES, Machine.memoryBytes().orElse(4L << 30) / 2),
          4L << 30,
          4);
    }

    /// @throws IllegalArgumentException saying which value is wrong and what it must be
    public Lent {
      check(cores >= 1 && cores <= 256, "cores", cores, "1 to 256");
      check(
          memoryBytes >= MIN_MEMORY_BYTES,
          "memory",
          memoryBytes,
          "at least " + MIN_MEMORY_BYTES + " bytes");
      check(
          cacheBytes >= MIN_CACHE_BYTES,
          "cache",
          cacheBytes,
          "at least " + MIN_CACHE_BYTES + " bytes");
      check(consumers >= 1 && consumers <= 64, "consumers", consumers, "1 to 64");
    }

    /// The same with another number of cores and another amount of memory.
    public Lent with(int newCores, long newMemoryBytes) {
      return new Lent(newCores, newMemoryBytes, cacheBytes, consumers);
    }
  }

  /// GPUs that are lent to native programs.
  ///
  /// @param count how many: the first ones that are found
  /// @param memoryBytes memory of each; if empty, most of what the smallest of them has
  /// @param perGpuSecond what a second of one costs, microcredits
  /// @param processorsToo whether processors that OpenCL offers as devices count, too: to try
  ///   things out on a machine without GPUs
  public record LentGpus(
      int count, OptionalLong memoryBytes, long perGpuSecond, boolean processorsToo) {
    /// @throws IllegalArgumentException saying which value is wrong and what it must be
    public LentGpus {
      check(count >= 1 && count <= Limits.GPUS, "GPUs", count, "1 to " + Limits.GPUS);
      memoryBytes.ifPresent(bytes ->
          check(
              bytes >= 1 && bytes <= Limits.GPU_MEMORY_BYTES,
              "memory of a GPU",
              bytes,
              "1 to " + Limits.GPU_MEMORY_BYTES + " bytes"));
      check(
          perGpuSecond >= 0 && perGpuSecond <= Limits.PRICE,
          "price of a GPU",
          perGpuSecond,
          "0 to " + Limits.PRICE);
    }
  }

  /// One credit for 10^12 gas and for a GB-hour, 0.01 credits for a GB moved.
  public static final Price USUAL_PRICE = new Price(1_000, 278, 10_000);

  /// Four credits for an hour of a GPU.
  public static final long USUAL_PER_GPU_SECOND = 1_111;

  /// A provider with the usual terms and all that is usually lent: isolated and measured.
  public static ProviderConfig of(Key key, PoolAt pool, Path directory) {
    String name = "provider-" + key.address().toString().substring(2, 10);
    return new ProviderConfig(
        key,
        pool,
        new Terms(name, "", USUAL_PRICE),
        Lent.usual(),
        directory,
        Optional.empty(),
        true,
        true,
        List.of(),
        false,
        Optional.empty(),
        Optional.empty(),
        Electricity.UNKNOWN);
  }

  /// @throws IllegalArgumentException if more models are named than a provider may offer, or GPUs
  ///   are lent and no native programs run
  public ProviderConfig {
    directory = directory.toAbsolutePath().normalize();
    models = List.copyOf(models);
    check(
        models.size() <= ServingLimits.MODELS,
        "models",
        models.size(),
        "at most " + ServingLimits.MODELS);
    check(natives || gpus.isEmpty(), "GPUs", gpus, "0 where no native programs run (--native)");
  }

  /// The same, serving these models.
  public ProviderConfig withModels(List<ServedModel> served) {
    return with(p -> p.models = served);
  }

  /// The same for another pool.
  public ProviderConfig with(PoolAt newPool) {
    return with(p -> p.pool = newPool);
  }

  /// The same under other terms.
  public ProviderConfig with(Terms newTerms) {
    return with(p -> p.terms = newTerms);
  }

  /// The same, lending another part of the machine.
  public ProviderConfig with(Lent newLent) {
    return with(p -> p.lent = newLent);
  }

  /// The same with a cache for the start of engines.
  public ProviderConfig withEngineCache(Path folder) {
    return with(p -> p.engineCache = Optional.of(folder));
  }

  /// The same without the benchmark.
  public ProviderConfig unmeasured() {
    return with(p -> p.measured = false);
  }

  /// The same, running tasks also where isolation does not work.
  public ProviderConfig isolationPreferred() {
    return with(p -> p.isolationRequired = false);
  }

  /// The same, running native programs of consumers, too. They are kept in by the kernel alone.
  public ProviderConfig withNatives() {
    return with(p -> p.natives = true);
  }

  /// The same, lending GPUs to native programs, which must run here.
  public ProviderConfig with(LentGpus lentGpus) {
    return with(p -> p.gpus = Optional.of(lentGpus));
  }

  /// The same, of an operator who signed for it.
  public ProviderConfig operatedBy(Operated operator) {
    return with(p -> p.operator = Optional.of(operator));
  }

  /// The same, saying what power it takes.
  public ProviderConfig with(Electricity electricity) {
    return with(p -> p.electricity = electricity);
  }

  private ProviderConfig with(Consumer<Parts> change) {
    Parts parts = new Parts(this);
    change.accept(parts);
    return parts.whole();
  }

  /// What can be changed before it is a configuration again.
  private static final class Parts {
    final Key key;
    PoolAt pool;
    Terms terms;
    Lent lent;
    final Path directory;
    Optional<Path> engineCache;
    boolean isolationRequired;
    boolean measured;
    List<ServedModel> models;
    boolean natives;
    Optional<LentGpus> gpus;
    Optional<Operated> operator;
    Electricity electricity;

    Parts(ProviderConfig c) {
      key = c.key;
      pool = c.pool;
      terms = c.terms;
      lent = c.lent;
      directory = c.directory;
      engineCache = c.engineCache;
      isolationRequired = c.isolationRequired;
      measured = c.measured;
      models = c.models;
      natives = c.natives;
      gpus = c.gpus;
      operator = c.operator;
      electricity = c.electricity;
    }

    ProviderConfig whole() {
      return new ProviderConfig(
          key,
          pool,
          terms,
          lent,
          directory,
          engineCache,
          isolationRequired,
          measured,
          models,
          natives,
          gpus,
          operator,
          electricity);
    }
  }

  private static void check(boolean good, String what, Object value, String expected) {
    if (!good) {
      throw new IllegalArgumentException(what + " is " + value + "; it must be " + expected);
    }
  }
}
