#include "tokens.hpp"

#include <sstream>
#include <stdexcept>

std::vector<std::string> tokens(std::string_view text) {
    std::istringstream stream{std::string(text)};
    std::vector<std::string> words;
    for (std::string word; stream >> word;) {
        words.push_back(word);
    }
    if (words.empty()) {
        throw std::invalid_argument("no word in `" + std::string(text) + "`");
    }
    return words;
}
