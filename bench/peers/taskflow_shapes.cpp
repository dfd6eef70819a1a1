// The shapes of `perseid bench engine` in Taskflow (https://taskflow.github.io), without any record.
//   g++ -O3 -std=c++20 -I FOLDER_OF_TASKFLOW taskflow_shapes.cpp -o taskflow_shapes -pthread
//   ./taskflow_shapes THREADS ROUNDS
// Prints a line for each shape: name, ns a task of a graph that was built before, ns built and run (medians).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <taskflow/taskflow.hpp>
#include <vector>

using Graph = std::unique_ptr<tf::Taskflow>;

static const int kWarm = 10;

static std::vector<tf::Task> nodes(tf::Taskflow& graph, int count) {
  std::vector<tf::Task> all;
  all.reserve(count);
  for (int i = 0; i < count; i++) {
    all.push_back(graph.emplace([] {}));
  }
  return all;
}

static Graph independent(int count) {
  auto graph = std::make_unique<tf::Taskflow>();
  for (int i = 0; i < count; i++) {
    graph->emplace([] {});
  }
  return graph;
}

static Graph chain(int count) {
  auto graph = std::make_unique<tf::Taskflow>();
  auto all = nodes(*graph, count);
  for (int i = 1; i < count; i++) {
    all[i - 1].precede(all[i]);
  }
  return graph;
}

static Graph grid(int side) {
  auto graph = std::make_unique<tf::Taskflow>();
  auto all = nodes(*graph, side * side);
  for (int k = 0; k < side * side; k++) {
    if (k / side > 0) all[k - side].precede(all[k]);
    if (k % side > 0) all[k - 1].precede(all[k]);
  }
  return graph;
}

static Graph tree(int count) {
  auto graph = std::make_unique<tf::Taskflow>();
  auto all = nodes(*graph, count);
  for (int k = 0; 2 * k + 2 < count; k++) {
    all[2 * k + 1].precede(all[k]);
    all[2 * k + 2].precede(all[k]);
  }
  return graph;
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

static void shape(tf::Executor& pool, const char* name, int tasks, int rounds, const std::function<Graph()>& make) {
  using Clock = std::chrono::steady_clock;
  Graph again = make();
  std::vector<double> run, built;
  for (int round = -kWarm; round < rounds; round++) {
    auto begun = Clock::now();
    pool.run(*again).wait();
    auto between = Clock::now();
    Graph fresh = make();
    pool.run(*fresh).wait();
    auto ended = Clock::now();
    if (round >= 0) {
      run.push_back(std::chrono::duration<double, std::nano>(between - begun).count() / tasks);
      built.push_back(std::chrono::duration<double, std::nano>(ended - between).count() / tasks);
    }
  }
  std::printf("%s %.2f %.2f\n", name, median(run), median(built));
  std::fflush(stdout);
}

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "write: taskflow_shapes THREADS ROUNDS\n");
    return 2;
  }
  int rounds = std::atoi(arguments[2]);
  tf::Executor pool(std::atoi(arguments[1]));
  shape(pool, "independent", 100000, rounds, [] { return independent(100000); });
  shape(pool, "chain", 10000, rounds, [] { return chain(10000); });
  shape(pool, "grid", 316 * 316, rounds, [] { return grid(316); });
  shape(pool, "tree", (1 << 17) - 1, rounds, [] { return tree((1 << 17) - 1); });
}
