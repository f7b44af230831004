#include "tokens.hpp"

#include <future>
#include <iostream>
#include <map>
#include <stdexcept>

using Counts = std::map<std::string, int>;

Counts count(std::string_view text) {
    Counts counts;
    for (const auto& word : tokens(text)) {
        ++counts[word];
    }
    return counts;
}

int main(int length, char** arguments) {
    // Each text in a thread of its own; an exception of the library travels through the future.
    std::vector<std::future<Counts>> texts;
    for (int index = 1; index < length; ++index) {
        texts.push_back(std::async(std::launch::async, count, std::string_view(arguments[index])));
    }
    Counts all;
    for (auto& text : texts) {
        try {
            for (const auto& [word, number] : text.get()) {
                all[word] += number;
            }
        } catch (const std::invalid_argument& error) {
            std::cout << "left out: " << error.what() << '\n';
        }
    }
    for (const auto& [word, number] : all) {
        std::cout << word << ' ' << number << '\n';
    }
}
