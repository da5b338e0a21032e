namespace geometry {

int area(int side) { return side * side; }

int area(int width, int height) { return width * height; }

template <typename T> T twice(T value) { return value + value; }
template int twice<int>(int);

struct Counter {
    int count;
    Counter();
    int next();
    int peek() const;
};

Counter::Counter() : count(7) {}
int Counter::next() { return ++count; }
int Counter::peek() const { return count; }

int total = 3;

}  // namespace geometry

extern "C" int use_shapes(void)
{
    geometry::Counter counter;
    return counter.next() + counter.peek() + geometry::area(2) + geometry::area(2, 3) + geometry::total;
}
