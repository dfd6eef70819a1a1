package dev.perseid.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The providers that take leases now, best first: in rooms of about equal size (powers of two of
/// cores and memory) and with as many free GPUs, so that a task that needs a big machine does not
/// look at the small ones, and that GPUs are left to tasks that need them as long as others have
/// room.
final class OpenProviders {
  private static final Comparator<Provider> BEST_FIRST =
      Comparator.<Provider>comparingLong(p -> p.rank).thenComparingInt(p -> p.index);

  private final TreeMap<Integer, Room> rooms = new TreeMap<>();

  private static final int PLATFORM_BITS = 4;
  private static final int SIZE_BITS = 8;

  private static final long UNLISTED = Long.MIN_VALUE;

  /// So many bits of an amount of energy order providers: those that are within 3 % are alike, so
  /// that not each record moves its provider.
  private static final int ENERGY_BITS = 6;

  /// In which order all that get work can be looked at, also those that take no lease now.
  enum By {
    /// The fastest first.
    SPEED(0),

    /// The cheapest first, by what they ask for gas, which is most of what tasks cost.
    PRICE(1),

    /// Those first that need the least energy for the same work, about.
    ENERGY(2),

    /// Those first whose energy for the same work emits the least, about.
    CARBON(3);

    private final int place;

    By(int place) {
      this.place = place;
    }

    /// The least comes first.
    private long key(Provider p) {
      return switch (this) {
        case SPEED -> -p.speed.value;
        case PRICE -> p.offer.offer.price().perBillionGas();
        case ENERGY -> about(energy(p));
        case CARBON -> about(Price.scaled(energy(p), p.countedGPerKwh(), 1));
      };
    }

    private static long energy(Provider p) {
      return Price.scaled(p.power.mwPerCore(), 1_000L * Speed.USUAL, p.speed.value);
    }

    private static long about(long amount) {
      int bits = Math.max(0, bits(amount) - ENERGY_BITS);
      return amount >> bits << bits;
    }
  }

  private static final By[] ORDERS = By.values();

  private final List<TreeSet<Provider>> listings;

  private int count;

  /// Providers of about the same size that run the same native tasks.
  static final class Room {
    private final int key;
    private final int coreBits;
    private final int memoryBits;
    private final int freeGpus;
    private final @Nullable Platform platform;
    private final TreeSet<Provider> providers = new TreeSet<>(BEST_FIRST);

    private Room(int key, int coreBits, int memoryBits, int freeGpus, @Nullable Platform platform) {
      this.key = key;
      this.coreBits = coreBits;
      this.memoryBits = memoryBits;
      this.freeGpus = freeGpus;
      this.platform = platform;
    }

    private boolean mayFit(Group.Shape shape) {
      return coreBits >= bits(shape.cores())
          && memoryBits >= bits(shape.memoryBytes())
          && freeGpus >= shape.gpus().count()
          && (shape.platform() == null || shape.platform() == platform);
    }
  }

  OpenProviders() {
    List<TreeSet<Provider>> orders = new ArrayList<>();
    for (By by : By.values()) {
      int place = by.place;
      orders.add(
          new TreeSet<>(
              Comparator.<Provider>comparingLong(p -> p.listedAs[place])
                  .thenComparingInt(p -> p.index)));
    }
    listings = List.copyOf(orders);
  }

  /// Where a provider stands in each listing that is in none.
  static long[] unlisted() {
    long[] keys = new long[By.values().length];
    Arrays.fill(keys, UNLISTED);
    return keys;
  }

  boolean isEmpty() {
    return count == 0;
  }

  /// Puts a provider where it belongs after something about it changed. O(log providers).
  void refresh(Provider provider) {
    boolean takesWork = provider.takesWork();
    for (By by : ORDERS) {
      long key = takesWork ? by.key(provider) : UNLISTED;
      int place = by.place;
      long before = provider.listedAs[place];
      if (key != before) {
        TreeSet<Provider> listing = listings.get(place);
        if (before != UNLISTED) {
          listing.remove(provider);
        }
        provider.listedAs[place] = key;
        if (takesWork) {
          listing.add(provider);
        }
      }
    }
    boolean open = provider.isOpen();
    long rank = open ? provider.newRank() : 0;
    Room room = open ? room(provider) : null;
    if (room == provider.listed && rank == provider.rank) {
      return;
    }
    if (provider.listed != null) {
      provider.listed.providers.remove(provider);
      if (provider.listed != room && provider.listed.providers.isEmpty()) {
        rooms.remove(provider.listed.key);
      }
      count--;
    }
    provider.rank = rank;
    provider.listed = room;
    if (room != null) {
      room.providers.add(provider);
      count++;
    }
  }

  /// All that get work in an order.
  Iterable<Provider> all(By by) {
    return listings.get(by.place);
  }

  private Room room(Provider provider) {
    int coreBits = bits(provider.cores());
    int memoryBits = bits(provider.memoryBytes());
    Platform platform = provider.platform;
    int freeGpus = provider.freeGpus();
    int size = (freeGpus << SIZE_BITS | coreBits) << SIZE_BITS | memoryBits;
    int number = platform == null ? 0 : 1 + EventCodec.PLATFORMS.indexOf(platform);
    int key = size << PLATFORM_BITS | number;
    return rooms.computeIfAbsent(key, _ -> new Room(key, coreBits, memoryBits, freeGpus, platform));
  }

  private static int bits(long number) {
    return 64 - Long.numberOfLeadingZeros(number);
  }

  /// The best open provider on which a task of this shape fits, or null. Of those with GPUs that
  /// are looked at the one with the fastest, for tasks that need some.
  ///
  /// @param excluded ordinals of providers that must not be chosen
  @Nullable Provider best(Group.Shape shape, int[] excluded) {
    if (shape.gpus().any()) {
      return fastestGpu(shape, excluded);
    }
    // Rooms without free GPUs come first.
    Provider best = null;
    for (Room room : rooms.values()) {
      if (room.freeGpus > 0 && best != null && best.hasRoom()) {
        break;
      }
      if (room.mayFit(shape)) {
        best = better(best, room, shape, excluded);
      }
    }
    return best;
  }

  private static @Nullable Provider better(
      @Nullable Provider than, Room room, Group.Shape shape, int[] excluded) {
    for (Provider provider : room.providers) {
      if (than != null && BEST_FIRST.compare(provider, than) > 0) {
        break;
      }
      if (provider.fits(shape) && !contains(excluded, provider.index)) {
        return provider;
      }
    }
    return than;
  }

  private @Nullable Provider fastestGpu(Group.Shape shape, int[] excluded) {
    Provider best = null;
    int lookedAt = 0;
    int lookedOver = 0;
    for (Room room : rooms.values()) {
      if (!room.mayFit(shape)) {
        continue;
      }
      for (Provider provider : room.providers) {
        if (lookedOver++ == Limits.GPUS_LOOKED_OVER) {
          return best;
        }
        if (!provider.takes(shape) || contains(excluded, provider.index)) {
          continue;
        }
        if (best == null || isBetter(provider, best)) {
          best = provider;
        }
        if (++lookedAt == Limits.GPUS_LOOKED_AT) {
          return best;
        }
      }
    }
    return best;
  }

  /// The faster GPU, but one with a free core beside it before one without.
  private static boolean isBetter(Provider one, Provider other) {
    return one.hasRoom() != other.hasRoom()
        ? one.hasRoom()
        : one.gpuSpeed.value > other.gpuSpeed.value;
  }

  static boolean contains(int[] numbers, int number) {
    for (int n : numbers) {
      if (n == number) {
        return true;
      }
    }
    return false;
  }
}
