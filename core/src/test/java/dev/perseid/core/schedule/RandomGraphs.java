package dev.perseid.core.schedule;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Graphs, work and machines from a seed.
final class RandomGraphs {
  record Sample(WorkGraph graph, double[] work, Fleet fleet) {}

  private RandomGraphs() {}

  static Sample of(long seed, int most, int machines, double bytesPerSecond) {
    Noise noise = new Noise(seed);
    int size = 2 + noise.below(most - 1);
    int dense = 1 + noise.below(3);
    double[] work = new double[size];
    List<WorkGraph.Node> nodes = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      work[i] = noise.below(3) == 0 ? 5 : 1 + noise.below(9);
      List<WorkGraph.Flow> parents = new ArrayList<>();
      for (int j = 0; j < i; j++) {
        if (noise.below(size) < dense) {
          parents.add(new WorkGraph.Flow(j, noise.below(4)));
        }
      }
      nodes.add(new WorkGraph.Node(noise.below(3), parents, 10));
    }
    double[] speeds = new double[1 + noise.below(machines)];
    Arrays.setAll(speeds, m -> seed % 2 == 0 ? 1 : 1 + noise.below(4));
    return new Sample(WorkGraph.of(nodes), work, new Fleet(speeds, bytesPerSecond));
  }
}
